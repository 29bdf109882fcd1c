"""Events: what happened to an object, told to whoever listens."""

from __future__ import annotations

from proxy.payments_sandbox import forms
from proxy.payments_sandbox.errors import invalid
from proxy.payments_sandbox.state import API_VERSION, Object, State, shown


def emit(state: State, kind: str, about: Object) -> None:
    """An Event object for the change, or two when webhooks behave that badly."""
    for _ in range(2 if state.deliveries.is_doubled() else 1):
        event = state.add(
            "event",
            "evt",
            {
                "api_version": API_VERSION,
                "data": {"object": shown(about, [], state.objects)},
                "pending_webhooks": 0,
                "request": {
                    "id": state.request_id,
                    "idempotency_key": state.request_key,
                },
                "type": kind,
            },
        )
        event["pending_webhooks"] = state.deliveries.enqueue(event)


def list_events(state: State, params: Object) -> Object:
    """Of one type, or of any of several."""
    kinds = forms.sequence(params, "types")
    one = forms.text(params, "type")
    if one and kinds:
        raise invalid("types", "Give type or types, not both.")
    wanted = tuple(kinds) or (one,) if one or kinds else ()
    return state.page("event", "/v1/events", params, among=("type", wanted))


def retrieve(state: State, params: Object, event_id: str) -> Object:
    return state.find("event", event_id)
