"""What a call used: the upstream's `usage` read with suspicion, or what we counted.

The order of authority: the upstream's own credits; else its token
counts times the tariff; else our own count times the tariff, never above the bound.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from billing.models.usage import Basis
from billing.pricing.rates import Rates, Units
from billing.values.orders import CREDIT, Usage

logger = logging.getLogger(__name__)

# A claim above a hundred times the bound is a fault of the upstream, not a cost.
CREDITS_PER_BOUND_MAX = 100
TOKENS_MAX = 10**9
COMPONENTS_MAX = 32
COMPONENT_NAME_MAX = 64
SHOWN_MAX = 60  # characters of a claim, in the log


def measure(
    report: Any,
    *,
    rates: Rates,
    bound_micros: int,
    counted: Units,
    flags: tuple[str, ...] = (),
    request_id: str = "",
) -> Usage:
    """The usage to settle by, from the upstream's `usage` object, whatever it is.

    `bound_micros` is what the call was expected to cost at most; `counted` is what we
    saw ourselves. The cost in the result is in microcredits. A claim that is not
    believed is logged, with the `request_id`: the upstream may have charged it.
    """
    fields = report if isinstance(report, Mapping) else {}
    prompt = _count(fields.get("prompt_tokens"), TOKENS_MAX)
    completion = _count(fields.get("completion_tokens"), TOKENS_MAX)
    if completion is None and prompt is not None:
        completion = _completion_from_total(fields, prompt)
    claimed = fields.get("credits_used")
    ceiling = max(bound_micros, CREDIT) * CREDITS_PER_BOUND_MAX // CREDIT
    credits = _count(claimed, ceiling)
    if claimed is not None and credits is None:
        flags = (*flags, "usage_invalid")
        _warn(request_id, f"credits_used {_shown(claimed)}", ceiling)
    if credits is not None:
        return _by_upstream(fields, credits, prompt, completion, flags)
    units, basis = counted, Basis.ESTIMATED
    cost = min(rates.cost_micros(counted), bound_micros)
    if prompt is not None and completion is not None:
        reported = replace(counted, prompt_tokens=prompt, completion_tokens=completion)
        computed = rates.cost_micros(reported)
        if computed <= ceiling * CREDIT:
            units, basis, cost = reported, Basis.COMPUTED, computed
        elif "usage_invalid" not in flags:
            flags = (*flags, "usage_invalid")
            _warn(request_id, f"tokens for {computed} microcredits", ceiling)
    return Usage(
        basis=basis.value,
        cost_micros=cost,
        prompt_tokens=units.prompt_tokens,
        completion_tokens=units.completion_tokens,
        flags=flags,
    )


def _by_upstream(
    fields: Mapping[str, Any],
    credits: int,
    prompt: int | None,
    completion: int | None,
    flags: tuple[str, ...],
) -> Usage:
    components = _components(fields.get("credits_breakdown"))
    if components and sum(components.values()) != credits * CREDIT:
        flags = (*flags, "breakdown_mismatch")
    return Usage(
        basis=Basis.UPSTREAM.value,
        cost_micros=credits * CREDIT,
        upstream_micros=credits * CREDIT,
        prompt_tokens=prompt or 0,
        completion_tokens=completion or 0,
        components=components,
        flags=flags,
    )


def _warn(request_id: str, claim: str, ceiling: int) -> None:
    logger.error(
        "%s: the upstream claims %s, which is not believed (at most %d credits)",
        request_id or "a call",
        claim,
        ceiling,
    )


def _shown(claim: object) -> str:
    """A claim that may be anything, and of any size, on part of a line."""
    if type(claim) is int and claim.bit_length() <= SHOWN_MAX * 3:
        return str(claim)
    if isinstance(claim, float | str):
        return repr(claim[:SHOWN_MAX] if isinstance(claim, str) else claim)
    return f"something else ({type(claim).__name__})"


def _count(value: Any, most: int) -> int | None:
    """A whole number from 0 to `most`; bool, float, text and the rest are not."""
    if type(value) is int and 0 <= value <= most:
        return value
    return None


def _completion_from_total(fields: Mapping[str, Any], prompt: int) -> int | None:
    """Embeddings report a total instead of a completion."""
    total = _count(fields.get("total_tokens"), TOKENS_MAX)
    return None if total is None else max(0, total - prompt)


def _components(breakdown: Any) -> dict[str, int]:
    """`credits_breakdown` in micros; lines that make no sense are left out."""
    if not isinstance(breakdown, Mapping):
        return {}
    components: dict[str, int] = {}
    for name, credits in list(breakdown.items())[:COMPONENTS_MAX]:
        if _count(credits, 10**9) is not None and _is_name(name):
            components[name] = credits * CREDIT
    return components


def _is_name(name: Any) -> bool:
    return (
        isinstance(name, str)
        and 0 < len(name) <= COMPONENT_NAME_MAX
        and name.isprintable()
    )
