"""Celery's settings, derived from Django's: Redis when it is named, else files."""

from __future__ import annotations

from typing import Any

from django.conf import settings

task_ignore_result = True
task_acks_late = True
worker_prefetch_multiplier = 1
worker_hijack_root_logger = False

# A broker that is lost is waited for, at the start too, and for ever.
worker_consumer = "portal.runtime.consumer:PatientConsumer"
broker_connection_retry_on_startup = True
broker_connection_max_retries = None

if settings.REDIS_URL:
    broker_url = settings.REDIS_URL
    broker_transport_options: dict[str, Any] = {
        # A server that is frozen, or gone without a word, is noticed.
        "socket_connect_timeout": 5,
        "socket_timeout": 10,
        "socket_keepalive": True,
        "health_check_interval": 10,
    }
else:
    broker_url = "filesystem://"
    broker_transport = "portal.runtime.broker:Transport"
    # It would need queues that other processes know of.
    worker_enable_remote_control = False
    broker_transport_options = {
        "folder": str(settings.VAR_DIR / "broker"),
        # Seconds between looks into the folder; the default of 1 s costs up to
        # 0.84 s of latency, 0.1 s costs 0.06 s.
        "polling_interval": 0.1,
    }
