"""`manage.py serve`: the portal and the gateway, at one address, in processes apart."""

from __future__ import annotations

import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from portal.runtime import database_room, locations
from portal.runtime.server import free_port, numeric, serve

# For a restart of the database.
DATABASE_SECONDS = 30


class Command(BaseCommand):
    help = "Serve the portal's pages and the gateway (HOST, PORT, WEB_CONCURRENCY)."

    def handle(self, *args: Any, **options: Any) -> None:
        wait_for_database()
        refuse_old_schema()
        if wrong := database_room.complaint():
            self.stderr.write(self.style.WARNING(wrong))
        host = numeric(settings.HOST)
        port = free_port(host, settings.PORT)
        self.stdout.write(
            f"Tollgate on http://{locations.in_url(settings.HOST)}:{port}"
        )
        self.stdout.flush()
        serve(
            "portal.asgi:application",
            host=host,
            port=port,
            workers=settings.WEB_CONCURRENCY,
            shutdown_seconds=settings.SHUTDOWN_SECONDS,
            has_lifespan=True,
            pages="portal.asgi:behind_the_door",
            pages_at_once=settings.PAGES_AT_ONCE,
        )


def wait_for_database() -> None:
    """Wait for a database that is being restarted, but not for ever."""
    until = time.monotonic() + DATABASE_SECONDS
    while time.monotonic() < until:
        try:
            connection.ensure_connection()
        except DatabaseError:
            time.sleep(1)
        else:
            return


def refuse_old_schema() -> None:
    """Raises: CommandError when migrations are missing, or the database is."""
    try:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        raise CommandError(f"The database does not answer: {error}") from None
    if missing:
        raise CommandError(
            f"{len(missing)} migrations are not applied: run manage.py migrate."
        )
