"""`manage.py sandbox`: serve the sandbox upstream. It needs no database."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from portal.runtime.server import free_port, serve
from proxy.sandbox import options

JOB_SECONDS_MAX = 3600
# Nothing is lost with a call that is cut here.
SHUTDOWN_SECONDS = 30


class Command(BaseCommand):
    help = "Serve a deterministic stand-in for the upstream AI API."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        usual = options.Options()
        add = parser.add_argument
        add("--host", default="127.0.0.1")
        add("--port", type=int, default=settings.SANDBOX_PORT, help="0: a free one")
        add("--journal", type=Path, default=Path(usual.journal))
        add("--pace-ms", type=int, default=usual.pace_ms, help="of a stream's chunk")
        add("--job-seconds", type=float, default=usual.job_seconds, help="of a job")
        add("--workers", type=int, choices=[1], default=1, help="one owns the journal")

    def handle(self, *args: Any, **given: Any) -> None:
        if not settings.UPSTREAM_API_KEY:
            raise CommandError("UPSTREAM_API_KEY is empty: no call could pass.")
        if given["pace_ms"] < 0:
            raise CommandError("--pace-ms must not be negative.")
        if not 0 <= given["job_seconds"] <= JOB_SECONDS_MAX:
            raise CommandError(f"--job-seconds must be from 0 to {JOB_SECONDS_MAX}.")
        host, port = given["host"], free_port(given["host"], given["port"])
        journal = str(given["journal"].resolve())
        options.Options(journal, given["pace_ms"], given["job_seconds"]).export()
        self.stdout.write(f"Sandbox upstream on http://{host}:{port}/api/v1")
        self.stdout.flush()
        serve(
            "proxy.sandbox.asgi:application",
            host=host,
            port=port,
            workers=1,
            shutdown_seconds=SHUTDOWN_SECONDS,
        )
