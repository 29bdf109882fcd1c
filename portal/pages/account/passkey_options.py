"""What a browser's passkey dialogue is asked, as an attribute that a script reads."""

from __future__ import annotations

import json
from ipaddress import ip_address
from typing import Any

from django.http import HttpRequest
from django.http.request import split_domain_port


def shown_in(context: dict[str, Any], name: str) -> dict[str, Any]:
    """The view's context with `passkey_options`, JSON as WebAuthn spells it."""
    options = context.get("js_data", {}).get(name)
    return {**context, "passkey_options": json.dumps(options) if options else ""}


def elsewhere(request: HttpRequest) -> str:
    """Where the page should be opened instead: a browser keeps passkeys for names, not
    for numbers. Empty where it is opened by a name."""
    host, port = split_domain_port(request.get_host())
    try:
        is_loopback = ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return ""
    suffix = f":{port}" if port else ""
    return f"{request.scheme}://localhost{suffix}" if is_loopback else "a host name"
