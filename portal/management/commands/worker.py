"""`manage.py worker`: the Celery worker, with the beat that keeps its timetable."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from portal.celery import app


class Command(BaseCommand):
    help = "Run the Celery worker with beat."

    def handle(self, *args: Any, **options: Any) -> None:
        running = "worker --beat --pool=threads --concurrency=4 --loglevel=INFO"
        alone = "--without-gossip --without-mingle"
        app.worker_main([*running.split(), *alone.split()])
