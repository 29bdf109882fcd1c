"""What only a sandbox has, below `/_sandbox/`: its journal, and its knobs.

GET  journal?since=N        what money moved, and the totals
GET  deliveries             webhooks that were sent, and what came back
POST webhooks               loss, repeat, delay_seconds, double, is_held, seed
POST endpoint               url, secret: where webhooks go
POST faults                 kind, path, method, count, seconds
POST clock                  seconds: move the sandbox's clock ahead
POST sessions/ID/act        act, card: press a button of the hosted page
POST sessions/ID/settle     outcome: paid or failed, of a payment that takes days
POST intents/ID/dispute     the customer's bank takes the money back
POST disputes/ID/close      outcome: won or lost
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from proxy.payments_sandbox import charges, endpoints, forms, paying
from proxy.payments_sandbox.deliveries import Behaviour
from proxy.payments_sandbox.errors import invalid, unknown_route
from proxy.payments_sandbox.faults import Faults
from proxy.payments_sandbox.state import Object, State, shown

SHARES = ("loss", "repeat", "double")
DECIMAL = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?")
DEED = re.compile(r"(sessions|intents|disputes)/(\w{1,255})/(act|settle|dispute|close)")


def answer(
    state: State, faults: Faults, method: str, path: str, params: Object
) -> Object:
    """Raises: Refusal."""
    with state.lock:
        found = _answer(state, faults, method, path, params)
        if method == "POST":
            state.save()
        return shown(found, [], state.objects)


def _answer(
    state: State, faults: Faults, method: str, path: str, params: Object
) -> Object:
    match method, path:
        case "GET", "journal":
            return journal(state, forms.integer(params, "since") or 0)
        case "GET", "deliveries":
            log = list(state.deliveries.log)
            return {"deliveries": log, "is_idle": state.deliveries.is_idle()}
        case "POST", "webhooks":
            behave(state, params)
        case "POST", "endpoint":
            url, secret = (
                forms.required(params, "url"),
                forms.required(params, "secret"),
            )
            return endpoints.register(state, url, secret)
        case "POST", "faults":
            _plan(faults, params)
        case "POST", "clock":
            state.advance(decimal(params, "seconds"))
        case "POST", _:
            return _act(state, path, params)
        case _:
            raise unknown_route(method, path)
    return {"is_done": True}


def journal(state: State, since: int = 0) -> Object:
    """The entries after number `since`; the totals are of all of them."""
    entries = state.journal.entries
    return {
        "entries": entries[max(0, since) :],
        "count": len(entries),
        "totals": state.journal.totals(),
        "kept": state.journal.kept(),
    }


def behave(state: State, params: Object) -> None:
    """What is not named stays as it is."""
    names = {*SHARES, "delay_seconds", "is_held", "seed"}
    forms.allow(params, names)
    changed: dict[str, Any] = {}
    for name in (*SHARES, "delay_seconds"):
        if name in params:
            changed[name] = decimal(params, name)
            if name in SHARES and changed[name] > 1:
                raise invalid(name, "A share is from 0 to 1.")
    if "is_held" in params:
        changed["is_held"] = forms.flag(params, "is_held")
    if "seed" in params:
        changed["seed"] = forms.integer(params, "seed")
    behaviour: Behaviour = replace(state.deliveries.behaviour, **changed)
    state.deliveries.behave(behaviour)


def decimal(params: Object, name: str) -> float:
    value = forms.required(params, name)
    if not isinstance(value, str) or not DECIMAL.fullmatch(value):
        raise invalid(name, "Must be a number.")
    return float(value)


def _plan(faults: Faults, params: Object) -> None:
    faults.plan(
        forms.text(params, "kind") or "",
        forms.text(params, "path") or "",
        method=forms.text(params, "method") or "POST",
        count=forms.integer(params, "count") or 1,
        seconds=decimal(params, "seconds") if "seconds" in params else 0,
    )


def _act(state: State, path: str, params: Object) -> Object:
    found = DEED.fullmatch(path)
    kind, object_id, deed = found.groups() if found else ("", "", "")
    match kind, deed:
        case "sessions", "act":
            button = forms.text(params, "act") or ""
            card = forms.text(params, "card") or ""
            return paying.act(state, object_id, button, params, card)
        case "sessions", "settle":
            outcome = forms.choice(params, "outcome", {"paid", "failed"}, "paid")
            return paying.settle(state, object_id, is_paid=outcome == "paid")
        case "intents", "dispute":
            return paying.dispute(state, object_id)
        case "disputes", "close":
            outcome = forms.text(params, "outcome") or ""
            dispute = state.find("dispute", object_id)
            return charges.close_dispute(state, dispute, outcome)
    raise unknown_route("POST", path)
