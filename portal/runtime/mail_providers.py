"""Mail by a provider's HTTP API, not SMTP: django-anymail, the extra `mail`."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

from portal.runtime.variables import Env

# Each with the name that anymail has for the provider's key.
KEYS = {
    "brevo": "BREVO_API_KEY",
    "mailersend": "MAILERSEND_API_TOKEN",
    "mailgun": "MAILGUN_API_KEY",
    "mailtrap": "MAILTRAP_API_TOKEN",
    "postmark": "POSTMARK_SERVER_TOKEN",
    "resend": "RESEND_API_KEY",
    "sparkpost": "SPARKPOST_API_KEY",
}


def is_installed() -> bool:
    """Whether the extra is there; nothing is imported."""
    return importlib.util.find_spec("anymail") is not None


def backend(provider: str) -> str:
    """Django's name of the backend."""
    return f"anymail.backends.{provider}.EmailBackend"


def options(
    env: Env,
    provider: str,
    key: str,
    url: str,
    *,
    seconds: int,
    has_extra: Callable[[], bool] = is_installed,
) -> dict[str, Any]:
    """What anymail has to know; nothing without a provider. What is missing is added
    to what is wrong with the settings. `seconds`: for each request."""
    if not provider:
        if key or url:
            name = "EMAIL_PROVIDER_KEY" if key else "EMAIL_PROVIDER_URL"
            env.wrong.append(
                f"{name} is set, but EMAIL_PROVIDER is not: set it, to one of "
                f"{', '.join(KEYS)}"
            )
        return {}
    if not has_extra():
        env.wrong.append(
            f"EMAIL_PROVIDER is {provider!r}, which needs django-anymail: run "
            "pip install 'tollgate[mail]', or set EMAIL_URL alone to send by SMTP"
        )
    if not key:
        env.wrong.append(
            f"EMAIL_PROVIDER is {provider!r}, but EMAIL_PROVIDER_KEY is not set: set "
            "it to the key that the provider gave you"
        )
    if env.ENVIRON.get("EMAIL_URL", "").strip():
        env.wrong.append(
            "EMAIL_URL and EMAIL_PROVIDER are both set: leave one of them out"
        )
    found = {KEYS[provider]: key, "REQUESTS_TIMEOUT": seconds}
    if url:
        found[f"{provider.upper()}_API_URL"] = url
    return found
