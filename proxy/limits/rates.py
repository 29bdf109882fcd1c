"""Requests and tokens a minute: taken before a call is held, by a guess of its tokens,
and put right when it has ended.

All levels that limit a call must have room. What is refused takes nothing, at no level.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from billing.values.orders import AtOnce
from portal.tenants.rules import LevelRules
from proxy.http import limit_refusals
from proxy.http.errors import GatewayError
from proxy.limits.counters import Counters, Taken, counters
from proxy.process.background import BackgroundTasks

REQUESTS, TOKENS = "requests", "tokens"

_correcting = BackgroundTasks()


@dataclass(slots=True)
class Allowance:
    """What one request has taken of its limits."""

    counters: Counters = counters
    taken: list[tuple[str, Taken]] = field(default_factory=list)  # kind → of one level
    refusal: GatewayError | None = None
    is_called: bool = False  # a call was held for it: the request counts

    def headers(self) -> dict[str, str]:
        """OpenAI's, of the limit of each kind that has the least left."""
        found: dict[str, str] = {}
        for kind in (REQUESTS, TOKENS):
            of_kind = [taken for its, taken in self.taken if its == kind]
            if of_kind:
                found |= _headers(kind, min(of_kind, key=remaining))
        return found

    def used(self, tokens: int) -> None:
        """The call has ended, and used so many tokens. Nobody waits for it."""
        for kind, taken in self.taken:
            if kind == TOKENS:
                _correcting.start(self.counters.correct(taken, tokens))

    async def close(self) -> None:
        """The request has its answer. If no call was made, nothing of it counts."""
        for _, taken in [] if self.is_called else self.taken:
            if not taken.is_refused:
                await self.counters.correct(taken, 0)


async def take(
    rules: Sequence[LevelRules], tokens: int, *, source: Counters = counters
) -> Allowance:
    """Take one request, and so many tokens, of all limits that there are; or nothing,
    and there is a `refusal` (429).
    """
    allowance = Allowance(source)
    for rule, kind, limit, amount in _limits(rules, tokens):
        name = name_of(kind, rule)
        if allowance.refusal is not None:
            taken = await source.look(name, limit)
        else:
            taken = await source.take(name, amount, limit)
            if taken.is_refused:
                allowance.refusal = _refusal(rule, kind, taken)
        allowance.taken.append((kind, taken))
    return allowance


async def look(
    rules: Sequence[LevelRules], *, source: Counters = counters
) -> Allowance:
    """How things stand, without taking anything."""
    found = [
        (kind, await source.look(name_of(kind, rule), limit))
        for rule, kind, limit, _ in _limits(rules, 0)
    ]
    return Allowance(source, found)


def limits_at_once(rules: Sequence[LevelRules]) -> tuple[AtOnce, ...]:
    """How many calls may run at once, for the ledger, which knows how many do."""
    kinds = {"key": "spender", "organization": "account"}
    return tuple(
        AtOnce(
            f"{kinds.get(rule.level, 'unit')}:{rule.subject_id}",
            rule.calls_at_once,
            rule.level,
            rule.name,
        )
        for rule in rules
        if rule.calls_at_once is not None
    )


def name_of(kind: str, rule: LevelRules) -> str:
    """Of the counter; it stays the same when the limit is changed."""
    return f"{kind}:{rule.level}:{rule.subject_id}"


def _limits(
    rules: Sequence[LevelRules], tokens: int
) -> Iterator[tuple[LevelRules, str, int, int]]:
    for rule in rules:
        if rule.requests_per_minute is not None:
            yield rule, REQUESTS, rule.requests_per_minute, 1
        if rule.tokens_per_minute is not None:
            yield rule, TOKENS, rule.tokens_per_minute, tokens


def limited(rules: Sequence[LevelRules]) -> list[tuple[LevelRules, str]]:
    """What is limited a minute, and whose, in the order of `Allowance.taken`."""
    return [(rule, kind) for rule, kind, *_ in _limits(rules, 0)]


def _refusal(rule: LevelRules, kind: str, taken: Taken) -> GatewayError:
    if taken.amount > taken.limit:
        return limit_refusals.never_fits(rule, taken.limit, taken.amount)
    return limit_refusals.rate_limited(
        rule,
        kind,
        limit=taken.limit,
        used=taken.window.used,
        required=taken.amount,
        seconds=taken.window.seconds_until(taken.limit - taken.amount),
    )


def remaining(taken: Taken) -> int:
    return max(0, taken.limit - taken.window.used)


def _headers(kind: str, taken: Taken) -> dict[str, str]:
    return {
        f"x-ratelimit-limit-{kind}": str(taken.limit),
        f"x-ratelimit-remaining-{kind}": str(remaining(taken)),
        f"x-ratelimit-reset-{kind}": duration(taken.window.reset_seconds),
    }


def duration(seconds: float) -> str:
    """As OpenAI writes it: `120ms`, `7.66s`, `1m30s`."""
    hundredths = round(seconds * 100)
    if hundredths < 100:
        return f"{round(seconds * 1000)}ms"
    if hundredths < 6000:
        return f"{hundredths / 100:g}s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest}s"
