"""Celery's settings, derived from Django's: Redis when it is named, else files."""

from __future__ import annotations

from django.conf import settings

timezone = "UTC"
task_ignore_result = True
task_acks_late = True
worker_prefetch_multiplier = 1
broker_connection_retry_on_startup = True
worker_hijack_root_logger = False
beat_schedule_filename = str(settings.VAR_DIR / "celerybeat-schedule")
sweep_seconds = settings.SWEEP_SECONDS
job_poll_seconds = settings.JOB_POLL_SECONDS

if settings.REDIS_URL:
    broker_url = settings.REDIS_URL
else:
    _folder = settings.VAR_DIR / "broker"
    for _name in ("messages", "processed", "control"):
        (_folder / _name).mkdir(parents=True, exist_ok=True)
    broker_url = "filesystem://"
    broker_transport = "portal.runtime.broker:Transport"
    broker_transport_options = {
        "data_folder_in": str(_folder / "messages"),
        "data_folder_out": str(_folder / "messages"),
        "processed_folder": str(_folder / "processed"),
        "control_folder": str(_folder / "control"),
        "store_processed": False,
        # Seconds between looks into the folder; the default of 1 s costs up to
        # 0.84 s of latency, 0.1 s costs 0.06 s.
        "polling_interval": 0.1,
    }
