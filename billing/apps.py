"""Django application: the accounting library (bottom layer)."""

from __future__ import annotations

from django.apps import AppConfig


class BillingConfig(AppConfig):
    name = "billing"

    def ready(self) -> None:
        from billing.verification import registry, topups

        registry.register(topups.PASSES, topups.wrong_seals)
