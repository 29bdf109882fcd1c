"""Django application: tenants, keys and pages (middle layer)."""

from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate


class PortalConfig(AppConfig):
    name = "portal"

    def ready(self) -> None:
        from billing.payments import changes
        from portal.payments import trail

        # The first and the last register their checks.
        from portal.runtime import checks, migrating, production  # noqa: F401

        changes.listen(trail.write)
        pre_migrate.connect(migrating.lift_limits, sender=self)
        post_migrate.connect(migrating.restore_limits, sender=self)
