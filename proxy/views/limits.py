"""The chain of limits that a call of a key has to pass, and the one that binds: of
credits, the one with the least left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from billing import budgets, envelopes
from billing.budgets import Link
from billing.models import Hold
from billing.reports.balance import Balance
from billing.reports.running import calls_of
from billing.runs import Run
from billing.values import clock
from portal.tenants.keys import Identity
from portal.tenants.rules import LevelRules
from proxy.limits import rates
from proxy.limits.rates import limits_at_once
from proxy.views.fields import amount, seconds

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Chain:
    """Every limit but those of a minute. `binding` are those of credits that a call of
    the key takes from, the one with the least left first: it binds."""

    credits: Sequence[Document]
    calls: Sequence[Document]
    binding: Sequence[Document]

    @property
    def limits(self) -> list[Document]:
        return [*self.credits, *self.calls]

    @property
    def binds(self) -> Document:
        return self.binding[0]

    def binds_for(self, identity: Identity) -> Document:
        """As it is told to who presents the key."""
        binds = self.binds
        if identity.sees_balance or binds["type"] != "credits":
            return binds
        return {**binds, **amount("held", None), **amount("left", None)}

    @property
    def room_micros(self) -> int:
        left: int = self.binds["left_micros"]
        return left


def chain_of(
    identity: Identity, balance: Balance, *, model: str = "", operation: str = ""
) -> Chain:
    """As it stands now. Without a model and an operation also what is for some only,
    which does not bind all. Blocks."""
    run = None if identity.run_id is None else envelopes.look(identity.run_id)
    links = budgets.chain_of(identity.spender_id, model, operation)
    # What a run was set aside from is passed already.
    passed = _counted(run)
    binding = [
        _budget(link)
        for link in links
        if link.budget_id not in passed
        and (bool(model) or not (link.model_pattern or link.operation))
    ]
    runs = [] if run is None else [_envelope(run)]
    binding += runs or [_balance(identity, balance)]
    binding.sort(key=lambda limit: limit["left_micros"])
    return Chain([*runs, *map(_budget, links)], _calls(identity), binding)


def checks(
    chain: Chain, minutes: Sequence[Document], *, required_micros: int, tokens: int
) -> list[Document]:
    """Whether a call passes each of them; the organization's own credits are left to
    who asks."""
    found = [
        {
            **_check(limit, required_micros <= limit["left_micros"]),
            **amount("required", required_micros),
        }
        for limit in chain.binding
        if limit["type"] != "credits"
    ]
    for limit in (*chain.calls, *minutes):
        required = tokens if limit["type"] == "tokens" else 1
        check = _check(limit, required <= limit["left"])
        found.append({**check, "required": required})
    return found


def _check(limit: Document, passes: bool) -> Document:
    """As a quote lists it: `of` whom the limit is."""
    named = {"name": limit["type"], "passes": passes, "of": limit["name"]}
    return limit | named


def _counted(run: Run | None) -> set[int]:
    if run is None:
        return set()
    return {budget for budget, _ in Hold.objects.get(id=run.envelope_id).budgets}


def _budget(link: Link) -> Document:
    return {
        "type": "budget",
        "level": link.level,
        "name": link.label,
        "window": link.window,
        "models": link.model_pattern or None,
        "operation": link.operation or None,
        **amount("limit", link.limit_micros),
        **amount("used", link.used_micros),
        **amount("held", link.held_micros),
        **amount("left", link.left_micros),
        "resets_at": seconds(link.resets_at),
    }


def _envelope(run: Run) -> Document:
    return {
        "type": "envelope",
        "level": "envelope",
        "name": f"env_{run.envelope_id.hex}",
        "window": None,
        **amount("limit", run.credits_micros),
        **amount("used", run.spent_micros),
        **amount("held", run.held_micros),
        **amount("left", run.left_micros),
        "resets_at": None,
    }


def _balance(identity: Identity, balance: Balance) -> Document:
    return {
        "type": "credits",
        "level": "organization",
        "name": identity.organization_slug,
        "window": None,
        **amount("held", balance.held_micros),
        **amount("left", balance.available_micros),
        "resets_at": None,
    }


def _calls(identity: Identity) -> list[Document]:
    limits = limits_at_once(identity.rules)
    if not limits:
        return []
    running = calls_of(identity.account_id, identity.spender_id)
    return [
        _counter("calls", limit.level, limit.name, limit.most, running[limit.subject])
        for limit in limits
    ]


async def of_a_minute(rules: Sequence[LevelRules]) -> list[Document]:
    """Requests and tokens, as they stand now."""
    standing, now = await rates.look(rules), clock.now().timestamp()
    found = []
    limited = rates.limited(rules)
    for (rule, kind), (_, taken) in zip(limited, standing.taken, strict=True):
        window = taken.window
        one = _counter(kind, rule.level, rule.name, taken.limit, window.used)
        resets_at = int(now + window.reset_seconds) if window.used else None
        found.append({**one, "window": "minute", "held": 0, "resets_at": resets_at})
    return found


def _counter(kind: str, level: str, name: str, limit: int, used: int) -> Document:
    return {
        "type": kind,
        "level": level,
        "name": name,
        "window": None,
        "limit": limit,
        "used": used,
        "held": used,
        "left": max(0, limit - used),
        "resets_at": None,
    }
