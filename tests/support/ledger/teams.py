"""A customer with everything that stands above a key, and limits on each."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from billing import budgets, envelopes, spenders
from billing.budgets import Subject
from billing.models import Budget, Spender
from billing.models.account import UnitKind
from billing.models.budget import BudgetWindow, Level, Window
from billing.values import clock
from tests.support.ledger.payers import Payer


@dataclass(eq=False)
class Team(Payer):
    """One project, one member, one key of theirs."""

    project_id: int = 0
    holder_id: int = 0

    @classmethod
    def open(cls, *, credits: int = 0, price_factor_ppm: int = 1_000_000) -> Team:
        payer = Payer.open(credits=credits, price_factor_ppm=price_factor_ppm)
        project = spenders.open_unit(payer.account_id, UnitKind.PROJECT, "search")
        holder = spenders.open_unit(payer.account_id, UnitKind.MEMBER, "alice")
        key = spenders.open_spender(
            payer.account_id, "ci", project_id=project.id, holder_id=holder.id
        )
        return cls(payer.account_id, key.id, project.id, holder.id)

    def colleague(self, *, same_project: bool = True, same_holder: bool = True) -> Team:
        """Another key of the account, of the same or another project and member."""
        project, holder = self.project_id, self.holder_id
        if not same_project:
            project = spenders.open_unit(self.account_id, UnitKind.PROJECT, "p").id
        if not same_holder:
            holder = spenders.open_unit(self.account_id, UnitKind.MEMBER, "bob").id
        key = spenders.open_spender(
            self.account_id, "other", project_id=project, holder_id=holder
        )
        return Team(self.account_id, key.id, project, holder)

    def subject(self, level: str) -> Subject:
        return Subject(
            Level(level),
            self.project_id if level in ("project", "member_in_project") else None,
            self.holder_id if level in ("member", "member_in_project") else None,
            self.spender_id if level == "key" else None,
        )

    def limit(
        self, micros: int, level: str = "key", window: str = "day", **more: Any
    ) -> Budget:
        return budgets.set_limit(
            self.account_id,
            self.subject(level),
            Window(window),
            micros,
            **({"counts_spend_so_far": True} | more),
        )

    def run(
        self, credits: int, *, expires_at: datetime | None = None, **more: Any
    ) -> Run:
        """A run of this key, and its own key."""
        found = envelopes.open_envelope(
            uuid.uuid4(),
            self.spender_id,
            credits,
            expires_at=expires_at or clock.now() + timedelta(hours=1),
            **more,
        )
        return Run(
            self.account_id,
            found.spender_id,
            self.project_id,
            self.holder_id,
            found.envelope_id,
        )


@dataclass(eq=False)
class Run(Team):
    """Whoever spends a run's credits."""

    envelope_id: uuid.UUID = uuid.UUID(int=0)

    @property
    def left(self) -> int:
        return envelopes.look(self.envelope_id).left_micros

    def now(self) -> tuple[int, int, int, int]:
        """Put in, left, held, spent."""
        found = envelopes.look(self.envelope_id)
        return (
            found.credits_micros,
            found.left_micros,
            found.held_micros,
            found.spent_micros,
        )

    def close(self) -> None:
        envelopes.close(self.envelope_id)


def counts(budget: Budget) -> tuple[int, int]:
    """Spent and held in its latest window."""
    found = BudgetWindow.objects.filter(budget=budget).order_by("starts").last()
    return (found.spent_micros, found.held_micros) if found else (0, 0)


def outcome(payer: Payer, bound: int) -> str:
    """What becomes of a hold for so much: "Placed", or the refusal's name."""
    return type(payer.place(bound)).__name__


def spender(payer: Payer) -> Spender:
    return Spender.objects.get(id=payer.spender_id)
