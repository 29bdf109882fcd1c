"""Webhook endpoints, as the SDK registers them."""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit

from proxy.payments_sandbox import forms
from proxy.payments_sandbox.errors import invalid, missing
from proxy.payments_sandbox.state import Object, State


def create(state: State, params: Object) -> Object:
    """The answer shows the secret, this once."""
    forms.allow(params, {"url", "enabled_events", "description", "api_version"})
    forms.required(params, "url")
    forms.required(params, "enabled_events")
    url = forms.text(params, "url") or ""
    if urlsplit(url).scheme not in {"http", "https"}:
        raise invalid("url", "Not a valid URL.", "url_invalid")
    names = [str(name) for name in forms.sequence(params, "enabled_events")]
    made = register(state, url, f"whsec_{secrets.token_urlsafe(24)}", names)
    return {**made, "secret": made["_secret"]}


def register(
    state: State, url: str, secret: str, names: list[str] | None = None
) -> Object:
    """Tell this URL of events; one that was registered before is told no longer."""
    for known in list(state.deliveries.endpoints.values()):
        if known["url"] == url:
            remove(state, known["id"])
    made = state.add(
        "webhook_endpoint",
        "we",
        {
            "enabled_events": names or ["*"],
            "metadata": {},
            "status": "enabled",
            "url": url,
            "_secret": secret,
        },
    )
    state.deliveries.endpoints[made["id"]] = made
    return made


def remove(state: State, endpoint_id: str) -> None:
    state.deliveries.endpoints.pop(endpoint_id, None)
    state.objects.pop(endpoint_id, None)


def retrieve(state: State, params: Object, endpoint_id: str) -> Object:
    return state.find("webhook_endpoint", endpoint_id)


def list_endpoints(state: State, params: Object) -> Object:
    return state.page("webhook_endpoint", "/v1/webhook_endpoints", params)


def delete(state: State, params: Object, endpoint_id: str) -> Object:
    if endpoint_id not in state.deliveries.endpoints:
        raise missing("webhook_endpoint", endpoint_id)
    remove(state, endpoint_id)
    return {"id": endpoint_id, "object": "webhook_endpoint", "deleted": True}
