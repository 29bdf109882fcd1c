"""What every process of the product imports, and nothing that reads its settings."""

from __future__ import annotations

import gc
import importlib

NAMES = (
    "aiohttp",
    "argon2",
    "asgiref.sync",
    "celery",
    "celery.app.base",
    "celery.app.task",
    "celery.schedules",
    "cryptography.fernet",
    "csp.middleware",
    "django.conf",
    "django.contrib.auth.hashers",
    "django.core.asgi",
    "django.core.handlers.asgi",
    "django.core.management",
    "django.core.serializers.json",
    "django.db.backends.postgresql",
    "django.db.migrations.executor",
    "django.db.models",
    "django.forms",
    "django.shortcuts",
    "django.template.backends.django",
    "django.urls",
    "django.views.decorators.http",
    "granian",
    "granian.server",
    "httpx",
    "httpx_aiohttp",
    "jiter",
    "jsonschema_rs",
    "kombu",
    "limits.aio.storage",
    "limits.aio.strategies",
    "orjson",
    "psycopg",
    "psycopg_pool",
    "redis.asyncio",
    "sqlparse",
    "uvloop",
    "whitenoise.middleware",
)

for name in NAMES:
    importlib.import_module(name)

# Nobody looks through them again, so that their copies stay shared.
gc.freeze()
