"""A random history of one organization in which every kind of transfer happens."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from billing import amendments, corrections, debts, grants
from billing.amendments import NotAmendable
from billing.corrections import NotCorrectable
from billing.models import Account, Grant
from billing.models.correction import CorrectionKind
from billing.values import errors
from tests.support.ledger.clocks import Clock
from tests.support.ledger.operators import why
from tests.support.ledger.teams import Team

MODELS = ("openai/gpt-4o", "openai/gpt-4o-mini", "image/large")


@dataclass
class Lively:
    """Time passes before each step; `held` says what was held after it."""

    clock: Clock
    chance: random.Random
    teams: list[Team] = field(default_factory=list)
    open_calls: list[tuple[Team, str]] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    held: list[tuple[datetime, int]] = field(default_factory=list)

    @classmethod
    def open(cls, clock: Clock, seed: int, begins: datetime) -> Lively:
        clock.moment = begins.astimezone(UTC)
        first = Team.open(credits=900)
        others = [
            first.colleague(same_project=False),
            first.colleague(same_holder=False),
        ]
        return cls(clock, random.Random(seed), [first, *others])

    @property
    def account_id(self) -> int:
        return self.teams[0].account_id

    def live(self, steps: int, *, most_minutes: int) -> None:
        for _ in range(steps):
            seconds = self.chance.randrange(most_minutes * 60)
            self.clock.advance(seconds=seconds, microseconds=self.chance.randrange(3))
            self.chance.choice(self._rules())()
            held = Account.objects.values_list("held_micros", flat=True)
            self.held.append((self.clock.moment, held.get(id=self.account_id)))

    def _rules(self) -> list[Callable[[], object]]:
        often = [self.place, self.place, self.settle, self.settle, self.settle]
        seldom = [
            self.release,
            self.doubt,
            self.grant,
            self.grant,
            self.amend,
            self.tidy,
        ]
        return [*often, *often, *seldom, self.grant, self.correct, self.correct]

    def place(self) -> None:
        team = self.chance.choice(self.teams)
        model = self.chance.choice(MODELS)
        placed = team.place(self.chance.randrange(1, 40), model=model)
        if not isinstance(placed, errors.LedgerError):
            self.open_calls.append((team, placed.hold_id))

    def settle(self) -> None:
        self._end(lambda team, call: team.settle(call, self.chance.randrange(60)))

    def release(self) -> None:
        self._end(lambda team, call: team.release(call))

    def doubt(self) -> None:
        """Its answer is lost; it may end later."""
        if self.open_calls:
            team, call = self.chance.choice(self.open_calls)
            team.doubt(call)

    def _end(self, how: Callable[[Team, str], object]) -> None:
        if self.open_calls:
            index = self.chance.randrange(len(self.open_calls))
            team, call = self.open_calls.pop(index)
            how(team, call)
            self.ended.append(call)

    def grant(self) -> None:
        hours = self.chance.choice([None, 1, 6])
        self.teams[0].grant(
            self.chance.randrange(20, 150),
            source=self.chance.choice(["purchase", "promotion", "trial", "adjustment"]),
            expires_at=self.clock.moment + timedelta(hours=hours) if hours else None,
        )

    def amend(self) -> None:
        amount, account_id = self.chance.randrange(1, 60), self.account_id
        lots = list(Grant.objects.filter(account_id=account_id).order_by("id"))
        lot = self.chance.choice(lots[1:] or lots)
        recovers = self.chance.random() < 0.3
        rules: list[Callable[[], object]] = [
            lambda: amendments.credit(account_id, amount, why()),
            lambda: amendments.debit(account_id, amount, why()),
            lambda: amendments.clawback(account_id, 5 * amount, why()),
            lambda: amendments.write_off(account_id, amount, why()),
            lambda: amendments.reverse(lot.id, why(), recovers_spent=recovers),
        ]
        with suppress(NotAmendable):  # there is not so much
            self.chance.choice(rules)()

    def correct(self) -> None:
        if not self.ended:
            return
        kind = self.chance.choice([CorrectionKind.ADJUSTMENT, CorrectionKind.REFUND])
        call, price = UUID(self.chance.choice(self.ended)), self.chance.randrange(1, 60)
        reference = uuid.UUID(int=self.chance.getrandbits(128)).hex
        with suppress(NotCorrectable):  # more than it cost, or refunded before
            corrections.post(call, kind, price, reference=reference, reason="invoice")

    def tidy(self) -> None:
        grants.expire_due()
        debts.pay_all()
