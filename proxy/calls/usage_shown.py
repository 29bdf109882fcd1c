"""The `usage` that a customer sees: the upstream's, at the customer's price.

At the upstream's own price nothing is touched. Otherwise credits are price_of, or they
would tell the customer what the operator pays.
"""

from __future__ import annotations

from typing import Any

from billing.pricing.rates import Units
from billing.values.amounts import PPM, price_of, whole_credits
from billing.values.orders import AMOUNT_MICROS_MAX, CREDIT
from proxy.calls.counting import is_count

CREDITS_MAX = AMOUNT_MICROS_MAX // CREDIT


def priced(usage: dict[str, Any], factor_ppm: int) -> dict[str, Any]:
    """`usage` with its credits times the factor; anything odd is left out."""
    if factor_ppm == PPM:
        return usage
    credits = usage.get("credits_used")
    if type(credits) is int and credits <= CREDITS_MAX:
        return charged(usage, price_of(max(credits, 0) * CREDIT, factor_ppm))
    odd = ("credits_used", "credits_breakdown")
    return {name: value for name, value in usage.items() if name not in odd}


def with_tokens(usage: dict[str, Any], units: Units) -> dict[str, Any]:
    """`usage` with all three numbers of tokens; those of `units`, which are charged,
    where the upstream does not name both of its own: clients read a missing number as
    zero, or throw the answer away. The same object if nothing was missing."""
    before: Any = usage.get("prompt_tokens")
    after: Any = usage.get("completion_tokens")
    if not (is_count(before) and is_count(after)):
        before, after = units.prompt_tokens, units.completion_tokens
    elif is_count(usage.get("total_tokens")):
        return usage
    return {
        **usage,
        "prompt_tokens": before,
        "completion_tokens": after,
        "total_tokens": before + after,
    }


def of_recording(usage: dict[str, Any], length_ms: int) -> dict[str, Any]:
    """`usage` as OpenAI has it of a transcription: by tokens if the upstream names them
    all, else by seconds."""
    tokens = ("input_tokens", "output_tokens", "total_tokens")
    if usage.get("type") == "tokens" and all(is_count(usage.get(t)) for t in tokens):
        return usage
    seconds: Any = usage.get("seconds")
    if type(seconds) not in (int, float) or seconds < 0:
        seconds = length_ms / 1000
    return {**usage, "type": "duration", "seconds": seconds}


def of_images(usage: dict[str, Any]) -> dict[str, Any]:
    """`usage` with OpenAI's numbers beside the credits: clients add them up. Tokens
    that the upstream does not name are none."""
    before = _count(usage.get("input_tokens"), usage.get("prompt_tokens"))
    after = _count(usage.get("output_tokens"), usage.get("completion_tokens"))
    details = usage.get("input_tokens_details")
    said = details if isinstance(details, dict) else {}
    return {
        **usage,
        "input_tokens": before,
        "output_tokens": after,
        "total_tokens": _count(usage.get("total_tokens"), before + after),
        "input_tokens_details": {
            **said,
            "text_tokens": _count(said.get("text_tokens"), before),
            "image_tokens": _count(said.get("image_tokens")),
        },
    }


def _count(*said: Any) -> int:
    """The first that counts something; else none."""
    return next(filter(is_count, said), 0)


def charged(usage: dict[str, Any], charged_micros: int) -> dict[str, Any]:
    """`usage` naming this charge, rounded up to whole credits as the contract has it;
    its breakdown is brought to the same sum."""
    total = whole_credits(charged_micros)
    shown = {**usage, "credits_used": total}
    breakdown = usage.get("credits_breakdown")
    if breakdown is not None and usage.get("credits_used") != total:
        shown["credits_breakdown"] = _spread(breakdown, total)
    return shown


def _spread(breakdown: Any, total: int) -> dict[str, int]:
    """`total` over the same lines in the same proportions; the last takes the rest."""
    lines = breakdown if isinstance(breakdown, dict) else {}
    lines = {name: credits for name, credits in lines.items() if is_count(credits)}
    before = max(sum(lines.values()), 1)
    spread = {name: total * credits // before for name, credits in lines.items()}
    if spread:
        spread[next(reversed(spread))] += total - sum(spread.values())
    return spread
