"""The table of what `/v1` refuses because of somebody's limits: whose, and which.

A row is as in `refusals.py`. Every refusal here names in its metadata the level and the
name of whom the limit is set for, and what helps (`remedy`); it has consumed nothing.
"""

from __future__ import annotations

import math
from typing import Any

from django.conf import settings

from billing.values import clock, errors
from billing.values.amounts import credits_text
from portal.tenants.addresses import Address
from portal.tenants.rules import LevelRules
from proxy.http.errors import GatewayError, Refusal

ASK = "Ask who manages your organization to allow it."
NAMES_SHOWN = 10

# --- allow-lists ---

model_not_allowed = Refusal("model_not_allowed", 403).says(
    "403: {} may not call the model {model}. Allowed: {}. {remedy}"
)
operation_not_allowed = Refusal("operation_not_allowed", 403).says(
    "403: {} may not use {operation}. Allowed: {}. {remedy}"
)
address_not_allowed = Refusal("address_not_allowed", 403).says(
    "403: {} may not be used from {address}. {remedy}"
)

# --- rates ---

# Retry-After is what `rate_limited` says.
too_fast = Refusal("rate_limit_exceeded", 429, None, 1).says(
    "429: {} may use {limit} {kind} a minute; {used} are used and this request needs "
    "{required}. {remedy}"
)
too_large = Refusal("rate_limit_exceeded", 429).says(
    "429: {} may use {limit} tokens a minute, and this request alone needs {required}. "
    "{remedy}"
)
too_many_calls = Refusal("rate_limit_exceeded", 429, None, 1).says(
    "429: {} may run {limit} calls at once, and {used} run. {remedy}"
)

# --- budgets and runs ---

budget_exceeded = Refusal("budget_exceeded", 402).says(
    "402: {} may spend {limit} credits {}; {used} are used and {held} held, and this "
    "needs up to {required}. {remedy}"
)
budget_on_hold = Refusal("budget_exceeded", 429, None, 2).says(
    "429: {} may spend {limit} credits {}; {used} are used and {held} held for calls "
    "still running, and this needs up to {required}. {remedy}"
)
envelope_exhausted = Refusal("envelope_exhausted", 402).says(
    "402: this run has {left} credits left, and this needs up to {required}. What it "
    "is part of has {parent_left}. {remedy}"
)
envelope_not_found = Refusal("envelope_not_found", 404).says(
    "There is no such envelope below this key."
)
envelope_ended = Refusal("envelope_closed", 409).says(
    "This envelope has ended. Open a new one: POST /v1/envelopes."
)
too_many_envelopes = Refusal("too_many_envelopes", 429).says(
    "429: this key has {limit} runs open, which is as many as it may have. {remedy}"
)
envelope_window_ended = Refusal("envelope_window_ended", 409).says(
    "409: this run counts in a {window} of {} that has ended, so nothing is added to "
    "it. {remedy}"
)
# What was opened is found by its list, and its key is told once.
envelope_key_lost = Refusal("already_completed", 409).says(
    "This envelope was opened before, and its api_key cannot be told again. Close it, "
    "and open another with a new Idempotency-Key."
)
# Without an Idempotency-Key, to ask again might do it twice.
envelope_unknown = Refusal("ledger_unavailable", 503).says(
    "The ledger does not answer, so whether this was done is not known. See "
    "GET /v1/envelopes; with an Idempotency-Key it can be sent again safely."
)
SPANS = {"day": "a day", "week": "a week", "month": "a month", "total": "in all"}


def not_this_model(rule: LevelRules, model: str) -> GatewayError:
    return model_not_allowed(
        whose(rule.level, rule.name),
        _few(rule.models),
        param="model",
        level=rule.level,
        name=rule.name,
        model=model,
        allowed=list(rule.models),
        remedy=f"Call one of these, or another key's. {ASK}",
    )


def not_this_operation(rule: LevelRules, operation: str) -> GatewayError:
    return operation_not_allowed(
        whose(rule.level, rule.name),
        _few(rule.operations),
        level=rule.level,
        name=rule.name,
        operation=operation,
        allowed=list(rule.operations),
        remedy=ASK,
    )


def not_from_here(rule: LevelRules, address: Address | None) -> GatewayError:
    """The allowed networks are not told: who asks may have found the key."""
    return address_not_allowed(
        whose(rule.level, rule.name),
        level=rule.level,
        name=rule.name,
        address=str(address or "an unknown address"),
        remedy=ASK,
    )


def rate_limited(
    rule: LevelRules, kind: str, *, limit: int, used: int, required: int, seconds: float
) -> GatewayError:
    """For requests or tokens; there is room in `seconds`, if nobody else takes it."""
    wait = max(1, math.ceil(seconds))
    return too_fast(
        whose(rule.level, rule.name),
        retry_after_seconds=wait,
        **_of_a_minute(rule),
        kind=kind,
        limit=limit,
        used=used,
        required=required,
        resets_at=int(clock.now().timestamp()) + wait,
        remedy=f"Try again in {wait} s.",
    )


def never_fits(rule: LevelRules, limit: int, required: int) -> GatewayError:
    """More tokens than there ever are: to wait does not help."""
    return too_large(
        whose(rule.level, rule.name),
        **_of_a_minute(rule),
        kind="tokens",
        limit=limit,
        used=0,
        required=required,
        resets_at=None,
        remedy="Lower max_tokens, or send less.",
    )


def calls_at_once(error: errors.TooManyCalls) -> GatewayError:
    return too_many_calls(
        whose(error.level, error.name),
        level=error.level,
        name=error.name,
        kind="calls",
        window=None,
        limit=error.most,
        used=error.running,
        held=error.running,
        required=1,
        resets_at=None,
        remedy="Try again when one of them has ended.",
    )


def of_ledger(error: errors.Refusal) -> GatewayError | None:
    """What the ledger refuses because of a limit."""
    match error:
        case errors.TooManyCalls():
            return calls_at_once(error)
        case errors.BudgetExceeded():
            return over_budget(error)
        case errors.EnvelopeExhausted():
            return exhausted(error)
        case errors.TooManyRuns():
            return too_many_runs(error)
        case errors.WindowEnded():
            return window_ended(error)
    return None


def over_budget(error: errors.BudgetExceeded) -> GatewayError:
    """402, or 429 where it may be enough when running calls have settled."""
    reset = error.resets_at
    what = f" for {error.model_pattern}" if error.model_pattern else ""
    what += f" by {error.operation}" if error.operation else ""
    may_wait = error.is_free_soon
    remedy = (
        "Lower max_tokens, or ask for more: "
        f"{settings.PUBLIC_URL}/budgets/{error.budget_id}"
    )
    if reset is not None:
        remedy = f"It begins anew at {reset.isoformat(timespec='seconds')}. {remedy}"
    row = budget_on_hold if may_wait else budget_exceeded
    return row(
        whose(error.level, error.label),
        f"{SPANS[error.window]}{what}",
        level=error.level,
        name=error.label,
        window=error.window,
        models=error.model_pattern or None,
        operation=error.operation or None,
        limit=credits_text(error.limit_micros),
        used=credits_text(error.used_micros),
        held=credits_text(error.held_micros),
        required=credits_text(error.required_micros),
        resets_at=None if reset is None else int(reset.timestamp()),
        url=f"{settings.PUBLIC_URL}/budgets/{error.budget_id}",
        remedy="Try again when some of them have settled." if may_wait else remedy,
    )


def too_many_runs(error: errors.TooManyRuns) -> GatewayError:
    return too_many_envelopes(
        level="key",
        name="",
        limit=error.most,
        remedy="Close one that is done: DELETE /v1/envelopes/<id>.",
    )


def window_ended(error: errors.WindowEnded) -> GatewayError:
    return envelope_window_ended(
        whose(error.level, error.label),
        level=error.level,
        name=error.label,
        window=error.window,
        remedy="Open another run, which counts now: POST /v1/envelopes.",
    )


def exhausted(error: errors.EnvelopeExhausted) -> GatewayError:
    public_id = f"env_{error.envelope_id}"
    return envelope_exhausted(
        level="envelope",
        name=public_id,
        window=None,
        limit=None,
        left=credits_text(error.left_micros),
        parent_left=credits_text(error.parent_left_micros),
        required=credits_text(error.required_micros),
        resets_at=None,
        remedy=f"Lower max_tokens, or add credits with its parent's key: "
        f"PATCH /v1/envelopes/{public_id}.",
    )


def _of_a_minute(rule: LevelRules) -> dict[str, Any]:
    return {"level": rule.level, "name": rule.name, "window": "minute", "held": 0}


def whose(level: str, name: str) -> str:
    """In words: `the key "laptop"`."""
    return f'the {level.replace("_", " ")} "{name}"' if name else f"the {level}"


def _few(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:NAMES_SHOWN])
    return shown + (", …" if len(names) > NAMES_SHOWN else "")
