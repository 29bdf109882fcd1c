"""The `usage` that a customer sees: the upstream's, at the customer's price.

At the upstream's own price nothing is touched. Otherwise credits are price_of, or they
would tell the customer what the operator pays.
"""

from __future__ import annotations

from typing import Any

from billing.pricing.rates import Units
from billing.values.amounts import PPM, price_of, whole_credits
from billing.values.orders import AMOUNT_MICROS_MAX, CREDIT

CREDITS_MAX = AMOUNT_MICROS_MAX // CREDIT


def priced(usage: Any, factor_ppm: int) -> Any:
    """`usage` with its credits times the factor; anything odd is left out."""
    if factor_ppm == PPM or not isinstance(usage, dict):
        return usage
    shown = dict(usage)
    credits = shown.get("credits_used")
    if type(credits) is not int or credits > CREDITS_MAX:
        shown.pop("credits_used", None)
        shown.pop("credits_breakdown", None)
        return shown
    return charged(shown, price_of(max(credits, 0) * CREDIT, factor_ppm))


def counted(units: Units) -> dict[str, int]:
    """The tokens that are charged where the upstream reports none: clients read a
    missing number as zero, or throw the answer away."""
    prompt, completion = units.prompt_tokens, units.completion_tokens
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


def with_tokens(usage: dict[str, Any], units: Units) -> dict[str, Any]:
    """`usage` with all three numbers of tokens; those of `units` where the upstream
    does not name both of its own. The same object if nothing was missing."""
    before: Any = usage.get("prompt_tokens")
    after: Any = usage.get("completion_tokens")
    if not (_is_count(before) and _is_count(after)):
        return {**usage, **counted(units)}
    if _is_count(usage.get("total_tokens")):
        return usage
    return {**usage, "total_tokens": before + after}


def of_recording(usage: dict[str, Any], length_ms: int) -> dict[str, Any]:
    """`usage` as OpenAI has it of a transcription: by tokens if the upstream names them
    all, else by seconds."""
    tokens = ("input_tokens", "output_tokens", "total_tokens")
    if usage.get("type") == "tokens" and all(_is_count(usage.get(t)) for t in tokens):
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
    return next((each for each in said if _is_count(each)), 0)


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


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
    lines = {
        name: credits
        for name, credits in (breakdown.items() if isinstance(breakdown, dict) else ())
        if type(credits) is int and credits >= 0
    }
    before, left = sum(lines.values()), total
    spread = {}
    for place, (name, credits) in enumerate(lines.items(), start=1):
        part = left if place == len(lines) else total * credits // max(before, 1)
        spread[name] = min(part, left)
        left -= spread[name]
    return spread
