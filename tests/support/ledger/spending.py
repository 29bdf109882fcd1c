"""Random usage of one organization, all of it through the ledger: holds, settlements,
releases, doubts, runs, rotated keys, refunds, other prices, credits that expire.

Only what is said here depends on the seed; two histories of one seed are the same.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from uuid import UUID, uuid4

from billing import corrections, envelopes, grants, holds, spenders
from billing.models import Spender
from billing.models.account import UnitKind
from billing.models.correction import CorrectionKind
from billing.values.orders import Place, Release, Settle, Usage
from tests.support.ledger.clocks import Clock
from tests.support.ledger.payers import Payer

MODELS = ("gpt", "flux", "whisper")
OPERATIONS = {"gpt": "chat", "flux": "images.generations", "whisper": "audio"}
CLIENTS = ("", "curl", "openai-python")
SESSIONS = ("", "", "nightly", "run-7")
SECONDS = (1, 59, 61, 600, 899, 900, 901, 3600, 5400)


@dataclass
class Spending:
    """An organization and its keys, and a clock that moves on as they spend."""

    payer: Payer
    clock: Clock
    random: Random
    keys: list[Spender] = field(default_factory=list)
    ended: list[UUID] = field(default_factory=list)

    @classmethod
    def begin(
        cls, payer: Payer, clock: Clock, seed: int, *, first: Spender | None = None
    ) -> Spending:
        """Four keys of two projects and holders; one was rotated, one is a run's. The
        `first` may be there already."""
        made = cls(payer, clock, Random(seed))
        account_id = payer.account_id
        payer.grant(10**9)
        projects = [
            spenders.open_unit(account_id, UnitKind.PROJECT, name) for name in "pq"
        ]
        holders = [
            spenders.open_unit(account_id, UnitKind.MEMBER, "alice"),
            spenders.open_unit(account_id, UnitKind.SERVICE_ACCOUNT, "ci"),
        ]
        if first is not None:
            made.keys.append(first)
        for number in range(len(made.keys), 3):
            made.keys.append(
                spenders.open_spender(
                    account_id,
                    f"key {number}",
                    project_id=projects[number % 2].id,
                    holder_id=holders[number % 2].id,
                    succeeds=made.keys[0] if number == 2 else None,
                )
            )
        run = envelopes.open_envelope(
            uuid4(),
            made.keys[0].id,
            10**7,
            expires_at=clock.moment + timedelta(days=9),
            label="run",
        )
        made.keys.append(Spender.objects.get(id=run.spender_id))
        return made

    def go_on(self, steps: int) -> None:
        for _ in range(steps):
            self.clock.advance(seconds=self.random.choice(SECONDS))
            self.random.choices(
                [self.call, self.correct, self.refund, self.expire],
                [12, 2, 1, 1],
            )[0]()

    def jump_to(self, moment: datetime) -> None:
        """Later, if it is not past already."""
        self.clock.moment = max(self.clock.moment, moment)

    def call(self) -> None:
        model = self.random.choice(MODELS)
        place = Place(
            hold_id=uuid4().hex,
            account_id=self.payer.account_id,
            spender_id=self.random.choice(self.keys).id,
            bound_micros=self.random.randint(1, 5000),
            operation=OPERATIONS[model],
            model=model,
            due_at=self.clock.moment + timedelta(minutes=15),
            client=self.random.choice(CLIENTS),
            session=self.random.choice(SESSIONS),
            shape=uuid4().hex,
        )
        holds.commit([place])
        self.clock.advance(seconds=self.random.choice((0, 1, 120)))
        # Not all are charged: some end for nothing, some in doubt.
        kind = self.random.choices(["settle", "release", "doubt"], [8, 1, 1])[0]
        price = self.random.randint(0, 9000)
        usage = Usage("upstream", price, prompt_tokens=7, completion_tokens=price % 11)
        if kind == "settle":
            end: Settle | Release = Settle(place.hold_id, place.account_id, usage)
        else:
            lost = Usage("in_doubt", 0) if kind == "doubt" else None
            end = Release(place.hold_id, place.account_id, "lost", lost)
        holds.commit([end])
        self.ended.append(UUID(place.hold_id))

    def correct(self) -> None:
        self._post(CorrectionKind.ADJUSTMENT, self.random.randint(0, 9000))

    def refund(self) -> None:
        self._post(CorrectionKind.REFUND, self.random.randint(1, 900))

    def _post(self, kind: CorrectionKind, micros: int) -> None:
        if not self.ended:
            return
        hold_id, reference = self.random.choice(self.ended), uuid4().hex
        # It may be more than was charged, or a second refund.
        with suppress(corrections.NotCorrectable):
            corrections.post(hold_id, kind, micros, reference=reference, reason="test")

    def expire(self) -> None:
        until = self.clock.moment + timedelta(hours=self.random.randint(1, 30))
        self.payer.grant(self.random.randint(1, 2000), expires_at=until)
        grants.expire_due()
