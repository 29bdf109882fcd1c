"""The Celery app. The broker is a wake-up call: truth is in rows."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

app = Celery("tollgate")
app.config_from_object("portal.runtime.celery_config")
app.autodiscover_tasks(["billing", "portal", "proxy"])
# The timetable is kept by each worker, in rows: there is no beat.
app.steps["worker"].add("portal.runtime.timekeeper:TimekeeperStep")
