"""Six weeks of a team's calls, made through the ledger while its clock says then.

Nothing is written past the ledger: each call is held and settled by the orders that
the gateway gives, at its own instant (`billing.values.clock` is moved) and in their
order, so that every sum, chain and rollup is as if it had happened. What is drawn by
chance is the same each time.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

from billing import grants, holds
from billing.models.grant import GrantSource
from billing.values import clock
from billing.values.errors import LedgerError
from billing.values.orders import CREDIT, Doubt, Order, Place, Release, Settle, Usage
from portal.management.commands.bootstrap import give_credits
from portal.models import ApiKey
from portal.operator import corrections, doubts, late_words
from portal.operator.corrections import Decision
from proxy.demo.team import Team

DAYS = 42
CREDITS = 7_000  # of each of two invoices
AT_ONCE = 4  # calls that begin at the same moment: fewer transactions
SPIKE_DAYS_AGO = 9


@dataclass(frozen=True)
class Habit:
    """How a key is used: which models at which prices, by which program, how often."""

    key: str
    client: tuple[str, str]
    models: tuple[tuple[str, str, int, int], ...]  # operation, model, credits from, to
    weekdays: int  # calls in a working day
    weekends: int
    hours: tuple[int, int]
    session: str = ""


CHAT, SONNET = "chat.completions", "anthropic/claude-3.5-sonnet"
HABITS = (
    Habit(
        "search-prod",
        ("openai-python", "1.54.0"),
        (
            (CHAT, "openai/gpt-4o-mini", 1, 3),
            ("embeddings", "text-embedding-3-small", 1, 1),
        ),
        *(26, 9, (6, 22)),
    ),
    Habit(
        "ben-laptop",
        ("LangChain", "0.3.7"),
        ((CHAT, "openai/gpt-4o", 3, 9), (CHAT, "openai/gpt-4o-mini", 1, 2)),
        *(9, 0, (8, 18)),
    ),
    Habit(
        "support-widget",
        ("AI SDK", "4.0.2"),
        (
            (CHAT, SONNET, 4, 12),
            ("audio.transcriptions", "fal-ai/whisper", 2, 5),
        ),
        *(14, 4, (7, 21)),
    ),
    Habit(
        "chen-notebook",
        ("openai-python", "1.51.2"),
        (
            (CHAT, "deepseek/deepseek-r1", 2, 7),
            ("images.generations", "fal-ai/flux/dev", 8, 12),
        ),
        *(7, 1, (9, 20)),
    ),
    Habit(
        "nightly-eval",
        ("LiteLLM", "1.52.0"),
        (
            (CHAT, "openai/gpt-4o-mini", 1, 2),
            (CHAT, SONNET, 4, 8),
        ),
        *(10, 10, (1, 3)),
        session="nightly",
    ),
)
AGENTS = Habit(
    "agents",
    ("Claude Code", "1.0.3"),
    ((CHAT, SONNET, 5, 14),),
    *(3, 0, (9, 17)),
    session="agent",
)
SPIKE = Habit(
    "agents",
    ("Claude Code", "1.0.3"),
    ((CHAT, SONNET, 6, 15),),
    *(140, 140, (13, 15)),
    session="loop",
)
FAILURES = ("upstream_503", "upstream_429", "upstream_unreachable", "client_gone")


@contextmanager
def at(moment: datetime) -> Iterator[None]:
    """What the ledger stamps and decides inside, it does as at this instant."""
    usual, clock.source = clock.source, lambda: moment
    try:
        yield
    finally:
        clock.source = usual


def begin(now: datetime) -> datetime:
    """When the team began: a morning, six weeks ago."""
    day = now.astimezone(UTC) - timedelta(days=DAYS)
    return day.replace(hour=5, minute=0, second=0, microsecond=0)


# When something is done, and what.
Event = tuple[datetime, Callable[[], object]]


def live(team: Team, now: datetime) -> int:
    """All of it, until an hour ago; how many calls there were."""
    chance = random.Random(10)  # noqa: S311  a story, not a secret
    start = begin(now)
    end = now - timedelta(hours=1)
    calls = sorted(_calls(chance, start, end), key=_moment)
    events = [*_payments(team, start, now), *_exceptions(team, now)]
    for first in range(0, len(calls), AT_ONCE):
        group = calls[first : first + AT_ONCE]
        events += _calls_of(team, chance, group[0][0], [habit for _, habit in group])
    for moment, do in sorted(events, key=_moment):
        with at(moment):
            do()
    return len(calls)


def _moment(timed: tuple[datetime, object]) -> datetime:
    return timed[0]


def _calls(
    chance: random.Random, start: datetime, end: datetime
) -> Iterator[tuple[datetime, Habit]]:
    for number in range(DAYS + 1):
        day = start + timedelta(days=number)
        habits = [*HABITS, AGENTS]
        if number == DAYS - SPIKE_DAYS_AGO:
            habits.append(SPIKE)
        for habit in habits:
            usual = habit.weekends if day.weekday() > 4 else habit.weekdays
            for _ in range(max(0, round(usual * chance.uniform(0.6, 1.3)))):
                first, last = habit.hours
                seconds = chance.randrange(first * 3600, last * 3600)
                moment = day.replace(hour=0) + timedelta(seconds=seconds)
                if start < moment < end:
                    yield moment, habit


def _payments(team: Team, start: datetime, now: datetime) -> Iterator[Event]:
    """What was bought, and gifts: of one a part lapsed, another is about to."""
    for name, days in (("invoice-1", 0), ("invoice-2", 26)):
        reference = f"{team.organization.slug}:{name}"
        bought = partial(give_credits, team.organization, CREDITS, reference)
        yield start + timedelta(days=days), bought
    friday = start + timedelta(days=18)
    yield friday, partial(_give, team, "workshop", 900, friday + timedelta(hours=26))
    yield friday + timedelta(hours=27), grants.expire_due
    lasts = now + timedelta(days=6)
    yield now - timedelta(minutes=30), partial(_give, team, "partner", 750, lasts)


def _give(team: Team, name: str, credits: int, expires_at: datetime) -> None:
    grants.issue(
        team.organization.account_id,
        credits * CREDIT,
        source=GrantSource.PROMOTION,
        reference=f"{team.organization.slug}:{name}",
        reason=name,
        expires_at=expires_at,
    )


def _calls_of(
    team: Team, chance: random.Random, moment: datetime, habits: list[Habit]
) -> list[Event]:
    """Calls that begin together, and end together a little later."""
    places, ends = [], []
    for habit in habits:
        place, credits = _place(team.keys[habit.key], chance, moment, habit)
        places.append(place)
        ends.append(_end(chance, place, credits))
    ended = moment + timedelta(seconds=chance.uniform(0.8, 14))
    return [(moment, partial(_commit, places)), (ended, partial(_commit, ends))]


def _commit(orders: Sequence[Order[object]]) -> None:
    for outcome in holds.commit(orders):
        if isinstance(outcome, LedgerError):
            raise outcome


def _place(
    key: ApiKey, chance: random.Random, moment: datetime, habit: Habit
) -> tuple[Place, int]:
    operation, model, least, most = chance.choice(habit.models)
    credits = chance.randint(least, most)
    session = habit.session and f"{habit.session}-{moment:%m%d}"
    place = Place(
        hold_id=UUID(int=chance.getrandbits(128), version=4).hex,
        account_id=key.organization.account_id,
        spender_id=key.spender_id,
        bound_micros=(credits + chance.randint(1, 6)) * CREDIT,
        operation=operation,
        model=model,
        due_at=moment + timedelta(minutes=10),
        client=habit.client[0],
        client_version=habit.client[1],
        session=session,
    )
    return place, credits


def _end(chance: random.Random, place: Place, credits: int) -> Settle | Release:
    if chance.random() < 0.03:
        return Release(place.hold_id, place.account_id, chance.choice(FAILURES))
    usage = Usage(
        "upstream",
        credits * CREDIT,
        credits * CREDIT,
        prompt_tokens=credits * chance.randint(120, 400),
        completion_tokens=credits * chance.randint(40, 160),
    )
    return Settle(place.hold_id, place.account_id, usage)


# --- what does not happen every day --------------------------------------------------


def _exceptions(team: Team, now: datetime) -> Iterator[Event]:
    """Doubts that were ended, a refund, a price that came late, credits given back."""
    chance = random.Random(11)  # noqa: S311  a story, not a secret
    support, ben = HABITS[2], HABITS[1]
    for days, settles in ((16, True), (5, False)):
        moment = now - timedelta(days=days)
        place, credits = _place(team.keys[support.key], chance, moment, support)
        doubt = Doubt(place.hold_id, place.account_id, "upstream_timeout")
        yield moment, partial(_commit, [place])
        yield moment + timedelta(minutes=2), partial(_commit, [doubt])
        ending = partial(_settle if settles else _release, team, place, credits)
        yield moment + timedelta(minutes=8), ending
    for days, correct in ((12, _refund), (3, _charge)):
        moment = now - timedelta(days=days)
        place, credits = _place(team.keys[ben.key], chance, moment, ben)
        usage = Usage("upstream", credits * CREDIT, credits * CREDIT, 900, 300)
        end = Settle(place.hold_id, place.account_id, usage)
        yield moment, partial(_commit, [place])
        yield moment + timedelta(seconds=9), partial(_commit, [end])
        yield moment + timedelta(hours=3), partial(correct, team, place, credits)
    decision = Decision("outage-7", "For the outage of Tuesday", team.actor)
    slug = team.organization.slug
    given = partial(corrections.credit, slug, 40 * CREDIT, decision)
    yield now - timedelta(days=2), given


def _settle(team: Team, place: Place, credits: int) -> None:
    hold_id = UUID(place.hold_id)
    doubts.settle(hold_id, credits * CREDIT, reason="on the bill", actor=team.actor)


def _release(team: Team, place: Place, _credits: int) -> None:
    reason = "not on the bill"
    doubts.release(UUID(place.hold_id), reason=reason, actor=team.actor)
    late_words.acknowledge(UUID(place.hold_id), reason=reason, actor=team.actor)


def _refund(team: Team, place: Place, credits: int) -> None:
    reason = "The answer was cut off"
    hold_id = UUID(place.hold_id)
    corrections.refund(hold_id, credits * CREDIT, reason=reason, actor=team.actor)


def _charge(team: Team, place: Place, credits: int) -> None:
    hold_id, micros = UUID(place.hold_id), (credits + 2) * CREDIT
    reason = "The bill says two more"
    late_words.charge_call(hold_id, micros, reason=reason, actor=team.actor)
