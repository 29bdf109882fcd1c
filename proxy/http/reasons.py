"""What a call's reason and its remarks mean, and what to do about it: for pages, in the
words of the table of refusals where that has any."""

from __future__ import annotations

from typing import NamedTuple

from proxy.http import limit_refusals, refusals, upstream_refusals


class Words(NamedTuple):
    """A sentence, and what helps; "" where nothing has to be done."""

    meaning: str
    cure: str = ""


_AMBIGUOUS = "Do not send it again blindly: it may have worked. Wait for its end here."
_AGAIN = "Send it again; nothing was charged."
_TELL = "If it happens often, tell your operator the request id."

_REASONS = {
    "client_gone": Words(refusals.client_gone.sentence, "Give the client more time."),
    "caller_died": Words(
        "The gateway process that made the call died before its end was known.",
        _AMBIGUOUS,
    ),
    "internal_error": Words(refusals.internal_error.sentence, _AMBIGUOUS),
    "not_forwarded": Words("The call was not made: its hold was withdrawn.", _AGAIN),
    "job_not_stored": Words("The job could not be stored, so it was not made.", _AGAIN),
    "job_lost": Words(
        "The upstream does not know the job any more. Whether it did the work is not "
        "known.",
        _AMBIGUOUS,
    ),
    "upstream_job_failed": Words(
        "The upstream could not finish the job.", "The job's page says why."
    ),
    "upstream_unreachable": Words(
        upstream_refusals.upstream_unreachable.sentence, _AGAIN
    ),
    "upstream_timeout": Words(
        "The upstream did not answer in time. Whether it did the work is not known.",
        _AMBIGUOUS,
    ),
    "upstream_429": Words(upstream_refusals.upstream_rate_limited.sentence, _AGAIN),
    "upstream_503": Words(upstream_refusals.upstream_busy.sentence, _AGAIN),
    "upstream_no_output": Words(
        "The upstream ended its stream before it had said anything.", _AGAIN
    ),
    "drain_capped": Words(
        "The client left, and the stream was not read to its end: what had come by "
        "then is charged."
    ),
    "upstream_event_too_large": Words(
        "The upstream sent a piece of a stream that is too large to be read.", _TELL
    ),
    "upstream_reply_too_large": Words(
        "The upstream's answer was too large to be taken.", _AMBIGUOUS
    ),
    "upstream_error_in_200": Words(
        "The upstream called it a success, and named an error and no price.", _AMBIGUOUS
    ),
}
_REFUSED = Words(
    "The upstream refused the request as it was sent. Nothing was charged.",
    "Change the request: the reply said what was wrong with it.",
)
_OUR_ACCOUNT = Words(
    upstream_refusals.upstream_unavailable.sentence, "Ask your operator."
)
_UNUSABLE = Words(upstream_refusals.no_usable_answer.sentence, _AMBIGUOUS)

_REMARKS = {
    "hold_overrun": "It cost more than was held for it; the rest came from what was "
    "available, or the operator bears it.",
    "budget_overrun": "Its charge passed a limit by what it cost beyond its hold.",
    "usage_invalid": "The upstream's account of it made no sense: not believed.",
    "usage_missing": "The upstream named no price; it is charged what was estimated.",
    "usage_decreased": "The upstream counted down meanwhile; the highest counts.",
    "breakdown_mismatch": "The upstream's breakdown does not add up to its own sum.",
    "client_gone": "The client left before the end; the answer was read on, to charge "
    "it exactly.",
    "operator": "The operator ended it by their word.",
}


def of_reason(reason: str) -> Words:
    """Of `Hold.reason`; of one that has no words of its own, what its kind means."""
    if found := _REASONS.get(reason):
        return found
    status = reason.removeprefix("upstream_")
    if not reason.startswith("upstream_"):
        return Words("")
    if status in {"401", "402", "403"}:
        return _OUR_ACCOUNT
    if status.isdigit() and status[0] == "4":
        return _REFUSED
    return _UNUSABLE


_KEY = "Look at the key: its page says what it may do, and who may change it."
_BUSY = "Nothing was charged; clients that try again by themselves mostly succeed."
# Of refusals: what the code means, whatever this one said.
_CODES = {
    "key_revoked": Words(
        "A key that was revoked, or a secret that was replaced, is still in use.",
        "Put a new key where the old one is used.",
    ),
    "key_expired": Words("The key has expired.", "Make a new one, or give it an end."),
    "key_disabled": Words("The key is disabled.", "Enable it, or use another."),
    "key_holder_disabled": Words("Who holds the key is disabled.", _KEY),
    "project_archived": Words("The project of the key is archived.", _KEY),
    "envelope_closed": Words("The run of the key has ended.", "Open a new run."),
    "budget_exceeded": Words("A limit was used up.", "Raise it, or wait for its end."),
    "envelope_exhausted": Words("A run had too few credits left.", "Add some to it."),
    "insufficient_credits": Words(
        "There were too few credits available.", "Buy credits, or lower max_tokens."
    ),
    "credits_on_hold": Words(
        "The credits were held for calls that were still running.", _BUSY
    ),
    "debt_unpaid": Words("The organization owes credits.", "Buy credits: they pay it."),
    "rate_limit_exceeded": Words(
        "More was sent in a minute, or at once, than is allowed.",
        "Send less at once, or ask for a higher rate.",
    ),
    "model_not_allowed": Words("The model is not on a list that binds the key.", _KEY),
    "operation_not_allowed": Words(
        "The operation is not on a list that binds the key.", _KEY
    ),
    "address_not_allowed": Words(
        "The key was used from an address that it may not be used from.", _KEY
    ),
    "model_not_found": Words(
        "There is no such model, or it has no price.", "See which models there are."
    ),
    "organization_suspended": Words(
        "The organization is suspended.", "Ask your operator."
    ),
    "organization_paused": Words("The organization is paused.", "Ask your operator."),
    "model_paused": Words("The operator paused the model.", "Use another model."),
    "ledger_unavailable": Words(refusals.ledger_unavailable.sentence, _AGAIN),
    "others": Words("More kinds than are counted apart in a quarter of an hour.", ""),
}


_STATUS = {
    row.code: row.status
    for table in (
        vars(refusals),
        refusals.KEYS,
        vars(limit_refusals),
        vars(upstream_refusals),
    )
    for row in table.values()
    if isinstance(row, type(refusals.invalid))
}


def of_refusal(code: str) -> Words:
    """Of a refusal's code; of one that has no words of its own, what its kind means."""
    if found := _CODES.get(code):
        return found
    status = _STATUS.get(code, 400)
    if status == 429:
        return Words("The gateway was busy with your organization's calls.", _BUSY)
    if status >= 500:
        return Words("The gateway could not take the call.", _AGAIN)
    return Words(
        "The request could not be taken as it was sent.",
        "Change the request: the message says what was wrong with it.",
    )


def of_remark(flag: str) -> str:
    """Of one of a usage record's flags."""
    return _REMARKS.get(flag) or of_reason(flag).meaning
