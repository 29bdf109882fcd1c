"""Django application: tenants, keys and pages (middle layer)."""

from __future__ import annotations

from django.apps import AppConfig


class PortalConfig(AppConfig):
    name = "portal"

    def ready(self) -> None:
        from portal.runtime import checks  # noqa: F401  registers the system checks
