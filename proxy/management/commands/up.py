"""`manage.py up`: everything that one machine needs."""

from __future__ import annotations

import os
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from portal.management.commands import worker
from portal.management.commands.serve import refuse_old_schema
from portal.runtime.supervisor import Part, Supervisor

# For what a part does when its own time to end is over: killing its children.
SLACK_SECONDS = 10


class Command(BaseCommand):
    help = "Run the server, the worker and, without an upstream, the sandbox."

    def handle(self, *args: Any, **options: Any) -> None:
        refuse_old_schema()
        parts = [
            part("serve", settings.SHUTDOWN_SECONDS),
            part("worker", worker.END_SECONDS),
        ]
        if settings.USES_SANDBOX:
            # The calls that the server still finishes end in the sandbox.
            parts.insert(0, part("sandbox", worker.END_SECONDS, is_last=True))
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        sys.exit(Supervisor(parts, environment).run())


def part(name: str, stop_seconds: float, *, is_last: bool = False) -> Part:
    root = settings.BASE_DIR
    command = [sys.executable, str(root / "manage.py"), name]
    return Part(name, command, root, stop_seconds + SLACK_SECONDS, is_last)
