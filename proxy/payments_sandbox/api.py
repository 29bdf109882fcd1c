"""Stripe's API: which request means what, and what a repeated request gets."""

from __future__ import annotations

import hmac
import json
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from proxy.payments_sandbox import (
    charges,
    checkout,
    customers,
    endpoints,
    errors,
    events,
    forms,
    intents,
    setups,
)
from proxy.payments_sandbox.errors import Refusal
from proxy.payments_sandbox.state import Object, State, shown

Operation: TypeAlias = Callable[..., Object]

KEY_CHARACTERS_MAX = 255
KEY_SECONDS = 24 * 3600
ROUTES: list[tuple[str, str, Operation]] = [
    ("POST", "customers", customers.create),
    ("GET", "customers", customers.list_customers),
    ("GET", "customers/*", customers.retrieve),
    ("POST", "customers/*", customers.update),
    ("DELETE", "customers/*", customers.delete),
    ("POST", "customers/*/tax_ids", customers.create_tax_id),
    ("GET", "customers/*/tax_ids", customers.list_tax_ids),
    ("DELETE", "customers/*/tax_ids/*", customers.delete_tax_id),
    ("GET", "customers/*/payment_methods", customers.list_methods),
    ("POST", "payment_methods", customers.create_method),
    ("GET", "payment_methods", customers.list_methods),
    ("GET", "payment_methods/*", customers.retrieve_method),
    ("POST", "payment_methods/*/attach", customers.attach),
    ("POST", "payment_methods/*/detach", customers.detach),
    ("POST", "checkout/sessions", checkout.create),
    ("GET", "checkout/sessions", checkout.list_sessions),
    ("GET", "checkout/sessions/*", checkout.retrieve),
    ("GET", "checkout/sessions/*/line_items", checkout.list_lines),
    ("POST", "checkout/sessions/*/expire", checkout.expire),
    ("POST", "payment_intents", intents.create),
    ("GET", "payment_intents", intents.list_intents),
    ("GET", "payment_intents/*", intents.retrieve),
    ("POST", "payment_intents/*/confirm", intents.confirm),
    ("POST", "payment_intents/*/cancel", intents.cancel),
    ("POST", "setup_intents", setups.create),
    ("GET", "setup_intents", setups.list_setups),
    ("GET", "setup_intents/*", setups.retrieve),
    ("POST", "setup_intents/*/confirm", setups.confirm),
    ("POST", "setup_intents/*/cancel", setups.cancel),
    ("GET", "charges", charges.list_charges),
    ("GET", "charges/*", charges.retrieve),
    ("POST", "refunds", charges.create_refund),
    ("GET", "refunds", charges.list_refunds),
    ("GET", "refunds/*", charges.retrieve_refund),
    ("GET", "disputes", charges.list_disputes),
    ("GET", "disputes/*", charges.retrieve_dispute),
    ("POST", "disputes/*/close", charges.give_up_dispute),
    ("GET", "events", events.list_events),
    ("GET", "events/*", events.retrieve),
    ("POST", "webhook_endpoints", endpoints.create),
    ("GET", "webhook_endpoints", endpoints.list_endpoints),
    ("GET", "webhook_endpoints/*", endpoints.retrieve),
    ("DELETE", "webhook_endpoints/*", endpoints.delete),
]
PATTERNS = [
    (method, re.compile(path.replace("*", "([A-Za-z0-9_]{1,255})")), operation)
    for method, path, operation in ROUTES
]


@dataclass(frozen=True, slots=True)
class Request:
    """`path` is below `/v1/`; `form` is the body or, for GET, the query."""

    method: str
    path: str
    form: str
    api_key: str
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: bytes
    headers: dict[str, str]


def answer(state: State, request: Request, expected_key: str) -> Reply:
    """One request after the other; what it changed is saved before it is answered."""
    with state.lock:
        request_id = f"req_{secrets.token_hex(8)}"
        headers = {"request-id": request_id, "content-type": "application/json"}
        state.request_id, state.request_key = request_id, request.idempotency_key
        try:
            if not _is_known(request.api_key, expected_key):
                raise errors.unauthorized()
            status, body, is_replay = _once(state, request)
        except Refusal as refusal:
            status, body, is_replay = refusal.status, _refused(refusal), False
        finally:
            state.request_id = state.request_key = None
        if is_replay:
            headers["idempotent-replayed"] = "true"
        if request.idempotency_key:
            headers["idempotency-key"] = request.idempotency_key
        if request.method != "GET" and not is_replay:
            state.save()
    return Reply(status, body.encode(), headers)


def _is_known(given: str, expected: str) -> bool:
    return bool(expected) and hmac.compare_digest(given.encode(), expected.encode())


def _once(state: State, request: Request) -> tuple[int, str, bool]:
    """Status, body, and whether it is the kept answer to an earlier request."""
    key = request.idempotency_key
    if request.method != "POST" or not key:
        return *_perform(state, request), False
    if len(key) > KEY_CHARACTERS_MAX:
        raise errors.invalid(None, "Idempotency-Key: at most 255 characters.")
    params = forms.decode(request.form)
    asked = json.dumps([request.path, params], sort_keys=True)
    earlier = state.replies.get(key)
    if earlier and state.now() - earlier["at"] < KEY_SECONDS:
        if earlier["asked"] != asked:
            raise errors.other_parameters(key)
        return earlier["status"], earlier["body"], True
    try:
        status, body = _perform(state, request)
    except Refusal as refusal:
        if not refusal.is_kept:
            raise
        status, body = refusal.status, _refused(refusal)
    state.replies[key] = {
        "at": state.now(),
        "asked": asked,
        "status": status,
        "body": body,
    }
    return status, body, False


def _perform(state: State, request: Request) -> tuple[int, str]:
    """Raises: Refusal."""
    params = forms.decode(request.form)
    for method, pattern, operation in PATTERNS:
        found = pattern.fullmatch(request.path)
        if found and method == request.method:
            made = operation(state, params, *found.groups())
            expand = forms.sequence(params, "expand")
            return 200, json.dumps(shown(made, expand, state.objects), indent=2)
    raise errors.unknown_route(request.method, f"/v1/{request.path}")


def _refused(refusal: Refusal) -> str:
    error: Any = shown(refusal.error, [], {})
    return json.dumps({"error": error}, indent=2)
