"""`manage.py worker`: the Celery worker, which also keeps the timetable.

One process, with threads: there is no child that could outlive it.
"""

from __future__ import annotations

import sys
from typing import Any

from celery import signals
from django.conf import settings
from django.core.management.base import BaseCommand

from portal.celery import app
from portal.runtime import endings
from portal.runtime.timekeeper import STOP_SECONDS

# For the timekeeper, for what came by the broker, and for goodbyes.
END_SECONDS = STOP_SECONDS + 10


class Command(BaseCommand):
    help = "Run the Celery worker, which also runs the timetable's tasks when due."

    def handle(self, *args: Any, **options: Any) -> None:
        endings.end_with_supervisor(seconds=END_SECONDS)
        signals.worker_shutting_down.connect(end_in_time)
        # With a receiver Celery leaves the loggers as LOG_LEVEL has set them.
        signals.setup_logging.connect(leave_logging)
        worker = app.Worker(
            pool_cls="threads",
            concurrency=4,
            loglevel=settings.LOG_LEVEL,
            without_gossip=True,
            without_mingle=True,
        )
        worker.start()
        # Celery's own command forgets it.
        sys.exit(worker.exitcode)


def leave_logging(**_: Any) -> None:
    """Nothing more is to be set up."""


def end_in_time(**_: Any) -> None:
    """A worker that is told to end must, though its broker may be silent."""
    endings.end_within(END_SECONDS)
