"""Random histories of one organization with limits and runs, against the auditor."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from django.db import transaction
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from billing import budgets, corrections, envelopes
from billing.models import Account, Budget
from billing.models.account import AccountKind
from billing.models.correction import CorrectionKind
from billing.values import errors
from tests.support.ledger.budget_auditor import BudgetAuditor, Limit, Spending
from tests.support.ledger.clocks import Clock
from tests.support.ledger.payers import system_balance, wrong_in_the_ledger
from tests.support.ledger.teams import Team

CREDITS = 2000
ZONES = ("UTC", "Asia/Kolkata", "America/St_Johns", "Asia/Kathmandu", "Europe/Berlin")
MODELS = ("a/one", "a/two", "b/one")
PATTERNS = ("", "", "", "a/*", "b/one,a/two")
numbers = st.integers(0, 10**6)
amounts = st.integers(1, 60)


class BudgetHistory(RuleBasedStateMachine):
    """Everything that may happen to limits and runs, in any order."""

    histories: ClassVar[int] = 0

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock
        clock.moment = datetime(2026, 10, 24, 21, 50, tzinfo=UTC)
        self.transaction = transaction.atomic()
        self.transaction.__enter__()
        first = Team.open(credits=CREDITS)
        others = (
            first.colleague(same_holder=False),
            first.colleague(same_project=False),
        )
        self.teams: dict[int, Team] = {t.spender_id: t for t in (first, *others)}
        self.borne = system_balance(AccountKind.ABSORBED)
        self.auditor = BudgetAuditor(
            clock.moment,
            CREDITS,
            {t.spender_id: str(t.project_id) for t in self.teams.values()},
            {t.spender_id: str(t.holder_id) for t in self.teams.values()},
        )
        self.steps = 0
        self.ids: dict[int, str] = {}  # the auditor's number → the hold's id

    def teardown(self) -> None:
        BudgetHistory.histories += 1
        try:
            if BudgetHistory.histories % 3 == 0:  # it reads the whole database
                assert wrong_in_the_ledger() == []
        finally:
            transaction.set_rollback(True)
            self.transaction.__exit__(None, None, None)

    def _team(self, number: int) -> Team:
        return list(self.teams.values())[number % len(self.teams)]

    def _open_calls(self) -> list[Spending]:
        spendings = self.auditor.spendings
        return [each for each in spendings if each.is_open and not each.is_run]

    # --- limits ---------------------------------------------------------------------

    @initialize(most=st.integers(50, 250), level=st.sampled_from(["key", "project"]))
    def first_limits(self, most: int, level: str) -> None:
        usual = {"window": "day", "pattern": ""}
        self._limit(0, most, counts=True, level=level, **usual)
        self._limit(0, most + 40, counts=False, level="organization", **usual)

    @rule(
        level=st.sampled_from(
            ["organization", "project", "member", "member_in_project", "key", "key"]
        ),
        window=st.sampled_from(["day", "day", "week", "month", "total"]),
        pattern=st.sampled_from(PATTERNS),
        number=numbers,
        most=st.integers(1, 250),
        counts=st.booleans(),
    )
    def limit(self, number: int, most: int, *, counts: bool, **terms: str) -> None:
        self._limit(number, most, counts=counts, **terms)

    def _limit(self, number: int, most: int, *, counts: bool, **terms: str) -> None:
        team, level = self._team(number), terms["level"]
        whom: object = {
            "organization": None,
            "project": str(team.project_id),
            "member": str(team.holder_id),
            "member_in_project": (str(team.project_id), str(team.holder_id)),
            "key": team.spender_id,
        }[level]
        window, pattern = terms["window"], terms["pattern"]
        made = self.auditor.limit((level, whom, window, pattern), most, counts=counts)
        budget = team.limit(
            most, level, window, model_pattern=pattern, counts_spend_so_far=counts
        )
        assert (budget.limit_micros, budget.is_active) == (made.most, True)

    @rule(kind=st.sampled_from(["remove", "raise", "raise"]), number=numbers)
    def change_a_limit(self, kind: str, number: int) -> None:
        known = self.auditor.in_force()
        if not known:
            return
        limit = known[number % len(known)]
        budget = self._budget(limit)
        if kind == "remove":
            self.auditor.end(limit)
            budgets.remove(budget.id)
            return
        until = self.clock.moment + timedelta(hours=1 + number % 40)
        limit.raises.append((1 + number % 50, until))
        budgets.raise_limit(budget.id, 1 + number % 50, until=until)

    def _budget(self, limit: Limit) -> Budget:
        """By its place: both sides make them in one order."""
        found = Budget.objects.filter(account_id=self._account_id).order_by("id")
        return list(found)[self.auditor.limits.index(limit)]

    @property
    def _account_id(self) -> int:
        return next(iter(self.teams.values())).account_id

    @rule(zone=st.sampled_from(ZONES))
    def move(self, zone: str) -> None:
        self.auditor.move_to(zone)
        budgets.set_time_zone(self._account_id, zone)

    # --- calls ----------------------------------------------------------------------

    @rule(number=numbers, amount=amounts, model=st.sampled_from(MODELS))
    def place(self, number: int, amount: int, model: str) -> None:
        self._place(self._team(number), amount, model)

    @rule(number=numbers, amount=amounts, price=st.integers(0, 90))
    def whole_call(self, number: int, amount: int, price: int) -> None:
        call = self._place(self._team(number), amount, MODELS[number % 3])
        if call is not None:
            self._settle(call, price)

    @rule(number=numbers, room=st.integers(-1, 1))
    def place_exactly(self, number: int, room: int) -> None:
        """As much as the limits leave, one less, or one more."""
        team, auditor = self._team(number), self.auditor
        left = [
            limit.most_at(auditor.now) - sum(auditor.present(limit))
            for limit in auditor.in_force()
            if auditor.binds(limit, team.spender_id) and not limit.pattern
        ]
        if left and min(left) + room > 0:
            self._place(team, min(left) + room, MODELS[number % 3])

    def _place(self, team: Team, amount: int, model: str) -> Spending | None:
        said, call = self.auditor.place(team.spender_id, model, amount)
        outcome = team.place(amount, model=model)
        assert type(outcome).__name__ == said
        if call is not None:
            self.ids[call.number] = outcome.hold_id  # type: ignore[union-attr]  # it stands
        return call

    @rule(number=numbers, price=st.integers(0, 90))
    def settle(self, number: int, price: int) -> None:
        if calls := self._open_calls():
            self._settle(calls[number % len(calls)], price)

    def _settle(self, call: Spending, price: int) -> None:
        self.auditor.end_call(call, price)
        settled = self.teams[call.key].settle(self.ids[call.number], price)
        assert settled.charged_micros == call.charged

    @rule(number=numbers)
    def release(self, number: int) -> None:
        if calls := self._open_calls():
            call = calls[number % len(calls)]
            if number % 3 == 0:
                self.auditor.expire_around(call)
                self.teams[call.key].doubt(self.ids[call.number])
            else:
                self.auditor.end_call(call, 0)
                self.teams[call.key].release(self.ids[call.number])

    @rule(number=numbers, price=st.integers(0, 90))
    def correct(self, number: int, price: int) -> None:
        ended = [s for s in self.auditor.spendings if not s.is_open and not s.is_run]
        if not ended or self.auditor.borne:
            return  # what the operator bore is another auditor's business
        call = ended[number % len(ended)]
        if price > call.charged:
            self.auditor.charge_more(call, price - call.charged)
        else:
            call.charged = price
        corrections.post(
            uuid.UUID(self.ids[call.number]),
            CorrectionKind.ADJUSTMENT,
            price,
            reference=uuid.uuid4().hex,
            reason="the invoice",
        )

    # --- runs -----------------------------------------------------------------------

    @rule(number=numbers, amount=st.integers(1, 150), hours=st.integers(1, 30))
    def open_run(self, number: int, amount: int, hours: int) -> None:
        team = self._team(number)
        due_at = self.clock.moment + timedelta(hours=hours)
        said, run = self.auditor.open_run(team.spender_id, amount, due_at)
        if run is None:
            with pytest.raises(errors.Refusal) as refused:
                team.run(amount, expires_at=due_at)
            assert refused.type.__name__ == said
            return
        opened = team.run(amount, expires_at=due_at)
        self.teams[opened.spender_id] = opened
        self.ids[run.number] = opened.envelope_id.hex
        auditor = self.auditor
        auditor.run_of[opened.spender_id] = run
        auditor.parent_of[opened.spender_id] = team.spender_id
        for of in (auditor.project_of, auditor.holder_of):
            of[opened.spender_id] = of[team.spender_id]

    @rule(number=numbers)
    def close_run(self, number: int) -> None:
        runs = [s for s in self.auditor.spendings if s.is_run]
        if runs:
            run = runs[number % len(runs)]
            if run.is_open:
                self.auditor.close(run)
            envelopes.close(uuid.UUID(self.ids[run.number]))

    @rule(number=numbers, amount=st.integers(1, 90))
    def add_credits(self, number: int, amount: int) -> None:
        runs = [s for s in self.auditor.spendings if s.is_run]
        if not runs:
            return
        run = runs[number % len(runs)]
        said, envelope_id = self.auditor.add_credits(run, amount), self.ids[run.number]
        if said:
            with pytest.raises(errors.Refusal) as refused:
                envelopes.add_credits(uuid.UUID(envelope_id), amount)
            assert refused.type.__name__ == said
        else:
            envelopes.add_credits(uuid.UUID(envelope_id), amount)

    # --- time -----------------------------------------------------------------------

    @rule(minutes=st.sampled_from([1, 10, 90, 600, 1500, 9000]))
    def time_passes(self, minutes: int) -> None:
        self.auditor.now = self.clock.advance(minutes=minutes)

    @rule()
    def tidy_up(self) -> None:
        self.auditor.expire()
        envelopes.expire_due()

    # --- after each step ------------------------------------------------------------

    @invariant()
    def the_ledger_says_what_the_auditor_says(self) -> None:
        auditor, account = self.auditor, Account.objects.filter(id=self._account_id)
        [found] = account.values_list("balance_micros", "held_micros")
        assert found == (auditor.balance(), auditor.held())
        if self.steps % 3 == 0:
            figures = next(iter(self.teams.values())).figures()
            assert figures == (*found, auditor.available())
        assert system_balance(AccountKind.ABSORBED) == self.borne - auditor.borne

    @invariant()
    def each_limit_counts_what_the_auditor_adds_up(self) -> None:
        links = {each.budget_id: each for each in budgets.of_account(self._account_id)}
        found: list[tuple[Any, ...]] = [
            (links[key].limit_micros, links[key].used_micros, links[key].held_micros)
            for key in sorted(links)
        ]
        auditor = self.auditor
        expected = [
            (limit.most_at(auditor.now), *auditor.present(limit))
            for limit in auditor.in_force()
        ]
        assert found == expected

    @invariant()
    def each_run_has_what_the_auditor_left_in_it(self) -> None:
        self.steps += 1
        if self.steps % 3:
            return
        for run in self.auditor.spendings:
            if run.is_run and run.is_open:
                found = envelopes.look(uuid.UUID(self.ids[run.number]))
                assert found.left_micros == run.amount
