"""`manage.py payments_sandbox`: serve the stand-in for Stripe. It needs no database."""

from __future__ import annotations

import signal
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from portal.runtime.server import free_port
from proxy.payments_sandbox.server import HOST, PaymentsSandbox

API_KEY = "sk_test_sandbox"
WEBHOOK_SECRET_CHARACTERS_MIN = 24


class Command(BaseCommand):
    help = "Serve a stateful stand-in for Stripe on the loopback."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        add = parser.add_argument
        add(
            "--port",
            type=int,
            default=settings.PAYMENTS_SANDBOX_PORT,
            help="0: a free one",
        )
        add("--api-key", default=API_KEY, help="the only one that it takes")
        add("--webhook-url", default="", help="where events are sent")
        add("--webhook-secret", default="", help="what they are signed with")
        add(
            "--state",
            type=Path,
            default=Path(settings.VAR_DIR) / "payments_sandbox.json",
            help="the file with all it knows, its journal too",
        )

    def handle(self, *args: Any, **given: Any) -> None:
        url, secret = given["webhook_url"], given["webhook_secret"]
        if not given["api_key"]:
            raise CommandError("--api-key is empty: no call could pass.")
        if url and len(secret) < WEBHOOK_SECRET_CHARACTERS_MIN:
            raise CommandError(
                "--webhook-secret: at least "
                f"{WEBHOOK_SECRET_CHARACTERS_MIN} characters."
            )
        try:
            sandbox = PaymentsSandbox(
                given["api_key"],
                port=free_port(HOST, given["port"]),
                path=given["state"],
            )
        except (OSError, ValueError, KeyError) as error:
            raise CommandError(f"The sandbox cannot start: {error}") from None
        if url:
            sandbox.tell(url, secret)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        self.stdout.write(f"Payments sandbox on {sandbox.url}")
        self.stdout.flush()
        try:
            sandbox.serve_with_webhooks()
        except KeyboardInterrupt:
            self.stdout.write("Stopped.")
