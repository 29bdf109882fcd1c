"""The Celery app and its timetable. The broker is a wake-up call: truth is in rows."""

from __future__ import annotations

import os

from celery import Celery
from celery.schedules import crontab

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

PURGE_SECONDS = 60

app = Celery("tollgate")
app.config_from_object("portal.runtime.celery_config")
app.autodiscover_tasks(["billing", "portal", "proxy"])
app.conf.beat_schedule = {
    "sweep-holds": {
        "task": "billing.tasks.sweep_holds",
        "schedule": app.conf.sweep_seconds,
        # A worker that was down must not find a queue of stale wake-up calls.
        "options": {"expires": app.conf.sweep_seconds},
    },
    "poll-jobs": {
        "task": "proxy.tasks.poll_jobs",
        "schedule": app.conf.job_poll_seconds,
        "options": {"expires": app.conf.job_poll_seconds},
    },
    "purge-replies": {
        "task": "proxy.tasks.purge_replies",
        "schedule": PURGE_SECONDS,
        "options": {"expires": PURGE_SECONDS},
    },
    "verify-ledger": {
        "task": "billing.tasks.verify_ledger",
        "schedule": crontab(hour=3, minute=17),
    },
}
