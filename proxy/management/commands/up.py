"""`manage.py up`: everything that one machine needs, until one part of it ends."""

from __future__ import annotations

import os
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from honcho.manager import Manager

from portal.management.commands.serve import refuse_old_schema


class Command(BaseCommand):
    help = "Run the server, the worker with beat and, without an upstream, the sandbox."

    def handle(self, *args: Any, **options: Any) -> None:
        refuse_old_schema()
        parts = ["serve", "worker"]
        if settings.USES_SANDBOX:
            parts.insert(0, "sandbox")
        manager = Manager()
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        root = str(settings.BASE_DIR)
        for part in parts:
            command = f"exec {sys.executable} manage.py {part}"
            manager.add_process(part, command, env=environment, cwd=root)
        manager.loop()
        sys.exit(manager.returncode)
