"""Django application: the gateway (top layer)."""

from __future__ import annotations

from django.apps import AppConfig


class ProxyConfig(AppConfig):
    name = "proxy"

    def ready(self) -> None:
        from billing.verification import registry
        from proxy.jobs import seals

        registry.register(seals.PASSES, seals.wrong_seals)
