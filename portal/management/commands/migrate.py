"""`manage.py migrate`: Django's, but only one at a time.

Two machines that are updated together would both apply the same migration, and all but
one would fail.
"""

from __future__ import annotations

from typing import Any

from django.core.management.commands import migrate

from portal.runtime import migrating


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        with migrating.alone(options["database"]):
            super().handle(*args, **options)
