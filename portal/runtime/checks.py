"""`manage.py check`: refuses settings that cannot work, and says what to set."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

Checked = list[CheckMessage]


@register()
def check_upstream(**_: Any) -> Checked:
    """The upstream must be an http(s) URL and come with its key."""
    parts = urlsplit(settings.UPSTREAM_BASE_URL)
    found: Checked = []
    if parts.scheme not in ("http", "https") or not parts.hostname:
        found.append(
            Error(
                "UPSTREAM_BASE_URL is not an http(s) URL.",
                hint="Example: https://api.example.com/api/v1",
                id="tollgate.E001",
            )
        )
    if not settings.UPSTREAM_API_KEY:
        found.append(
            Error(
                "UPSTREAM_BASE_URL is set, UPSTREAM_API_KEY is not.",
                hint="Set the key that the upstream gave you, or neither variable.",
                id="tollgate.E002",
            )
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        found.append(
            Error(
                "UPSTREAM_BASE_URL carries more than scheme, host and path.",
                hint="The key belongs in UPSTREAM_API_KEY.",
                id="tollgate.E003",
            )
        )
    return found


@register()
def check_public_url(**_: Any) -> Checked:
    """Links in pages and mails are built from PUBLIC_URL."""
    parts = urlsplit(settings.PUBLIC_URL)
    if parts.scheme in ("http", "https") and parts.hostname:
        return []
    return [
        Error(
            "PUBLIC_URL is not an http(s) URL.",
            hint="Example: https://ai.example.com",
            id="tollgate.E004",
        )
    ]


# setting → (least, most)
BOUNDS = {
    "PORT": (1, 65_535),
    "SANDBOX_PORT": (1, 65_535),
    "WEB_CONCURRENCY": (1, 256),
    "UPSTREAM_CONNECT_SECONDS": (1, 120),
    "UPSTREAM_IDLE_SECONDS": (1, 3_600),
    "UPSTREAM_TOTAL_SECONDS": (1, 7_200),
    "UPSTREAM_CONNECTIONS_MAX": (1, 65_535),
    "UPSTREAM_REPLY_BYTES_MAX": (1_024, 2**32),
    "MEDIA_BYTES_MAX": (1_024, 2**30),
    "MEDIA_SECONDS_MAX": (1, 3_600),
    "GATEWAY_BODY_BYTES_MAX": (1_024, 2**30),
    "GATEWAY_UPLOAD_BYTES_MAX": (1_024, 2**30),
    "GATEWAY_BODY_SECONDS_MAX": (1, 3_600),
    "GATEWAY_UPLOADS_MAX": (1, 4_096),
    "TRANSCRIPTION_URL_SECONDS_MAX": (1, 1_000_000),
    "DRAIN_SECONDS": (0, 3_600),
    "DRAIN_MAX": (0, 65_535),
    "LEASE_SECONDS": (2, 3_600),
    "IN_DOUBT_SECONDS": (0, 604_800),
    "SWEEP_SECONDS": (1, 3_600),
    "JOB_SECONDS_MAX": (60, 2_592_000),
    "JOB_POLL_SECONDS": (1, 3_600),
    "JOB_POLLS_MAX": (0, 65_535),
    "JOB_REPLY_SECONDS": (3_600, 315_360_000),
}


@register()
def check_bounds(**_: Any) -> Checked:
    """A number outside its range is a mistake, e.g. seconds given as milliseconds."""
    return [
        Error(
            f"{name} is {getattr(settings, name)}; it must be from {least} to {most}.",
            hint=f"Set {name} within that range, or leave it out for the default.",
            id="tollgate.E005",
        )
        for name, (least, most) in BOUNDS.items()
        if not least <= getattr(settings, name) <= most
    ]


@register()
def check_upstream_tools(**_: Any) -> Checked:
    """Any other word would silently count as `forward`."""
    if settings.UPSTREAM_TOOLS in ("forward", "refuse"):
        return []
    return [
        Error(
            f"UPSTREAM_TOOLS is {settings.UPSTREAM_TOOLS!r}.",
            hint="Set forward or refuse, or leave it out for forward.",
            id="tollgate.E007",
        )
    ]


@register()
def check_database(**_: Any) -> Checked:
    """The ledger is tested on SQLite and PostgreSQL only."""
    engine = settings.DATABASES["default"]["ENGINE"]
    if engine.endswith(("sqlite3", "postgresql")):
        return []
    return [
        Error(
            f"DATABASE_URL names an unsupported database ({engine}).",
            hint="Use sqlite:///… or postgres://…",
            id="tollgate.E006",
        )
    ]


@register(deploy=True)
def check_production(**_: Any) -> Checked:
    """Warns of what is right on a laptop and wrong on a server (`check --deploy`)."""
    found: Checked = []
    if settings.USES_SANDBOX:
        found.append(
            Warning(
                "The sandbox stands in for the upstream.",
                hint="Set UPSTREAM_BASE_URL and UPSTREAM_API_KEY.",
                id="tollgate.W001",
            )
        )
    if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        found.append(
            Warning(
                "SQLite takes one writer at a time, on one machine.",
                hint="Set DATABASE_URL=postgres://… for more than one machine.",
                id="tollgate.W002",
            )
        )
    return found
