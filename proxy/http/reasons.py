"""What a call's reason and its remarks mean, and what to do about it: for pages, in the
words of the table of refusals where that has any."""

from __future__ import annotations

from typing import NamedTuple

from proxy.http import refusals, upstream_refusals


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


def of_remark(flag: str) -> str:
    """Of one of a usage record's flags."""
    return _REMARKS.get(flag) or of_reason(flag).meaning
