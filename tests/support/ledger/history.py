"""Random histories of three organizations: the ledger against the auditor.

One transaction for each history, rolled back at its end: the database stays small,
so that the ledger can be verified after every single step.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import transaction
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from billing import accounts, grants, holds, leases, spenders
from billing.models import Account
from billing.values import errors
from billing.values.orders import (
    Doubt,
    Entrust,
    Entrusted,
    Order,
    Place,
    Placed,
    Release,
    Resolved,
    Settle,
    Usage,
)
from tests.support.ledger.amended import Amendments
from tests.support.ledger.auditor import Answer, Auditor, Call, Organization
from tests.support.ledger.clocks import START, Clock
from tests.support.ledger.payers import (
    Payer,
    system_balance,
    used,
    wrong_in_the_ledger,
)
from tests.support.ledger.second_words import SecondWords
from tests.support.ledger.stored import codes_of_errors, stored

NAMES = ("one", "two", "three")
SYSTEM = ("issuance", "absorbed", "expiry", "adjustment")
FACTORS = (1_000_000, 1_200_000, 333_333, 1_000_001, 2_500_000)
LEASE_SECONDS = 45
names = st.sampled_from(NAMES)
numbers = st.integers(0, 10**6)  # picks one of however many there are
amounts = st.integers(1, 60)
Customers = tuple[Payer, Payer]  # two spenders of one account
Draft = tuple[str, str, int, int, int]
drafts = st.tuples(
    st.sampled_from(
        ["place", "place", "place", "place again", "exact", "settle", "settle"]
        + ["settle again", "release", "doubt", "stranger's", "unknown"]
        + ["entrust", "entrust", "entrust exactly"]
    ),
    names,
    numbers,
    st.integers(0, 60),
    st.integers(0, 300),
)


def answer(outcome: object) -> Answer:
    """An outcome in the auditor's words."""
    match outcome:
        case Placed(_, held, available, factor, repeat):
            return ("placed", held, available, factor, repeat)
        case Entrusted(_, held, available, repeat):
            return ("entrusted", held, available, repeat)
        case Resolved(_, state, held, charged, absorbed, available, repeat):
            return (state, held, charged, absorbed, available, repeat)
        case errors.InsufficientCredits():
            figures = (outcome.required_micros, outcome.available_micros)
            return (type(outcome).__name__, *figures, outcome.held_micros)
        case _:
            return (type(outcome).__name__,)


def open_customers() -> dict[str, Customers]:
    """For all histories, which start from their empty accounts."""
    customers = {}
    for name in NAMES:
        first = Payer.open()
        second = spenders.open_spender(first.account_id, "second")
        customers[name] = (first, Payer(first.account_id, second.id))
    return customers


class History(SecondWords, Amendments, RuleBasedStateMachine):
    """Everything that may happen, in any order."""

    def __init__(self, clock: Clock, customers: dict[str, Customers]) -> None:
        super().__init__()
        self.clock = clock
        clock.moment = START
        self.transaction = transaction.atomic()
        self.transaction.__enter__()
        self.auditor = Auditor(START)
        self.customers = {name: each[0] for name, each in customers.items()}
        self.issued: list[int] = []  # the ledger's ids, in the order of the auditor's
        self.grants_made: list[tuple[str, str, Answer]] = []
        self.lease = uuid.uuid4()
        self.before = {kind: system_balance(kind) for kind in SYSTEM}
        self.steps = 0
        self._renew_lease()
        for name, pair in customers.items():
            both = {each.spender_id: True for each in pair}
            self.auditor.organizations[name] = Organization(both, 1_000_000)

    def teardown(self) -> None:
        try:
            assert wrong_in_the_ledger() == []
        finally:
            transaction.set_rollback(True)
            self.transaction.__exit__(None, None, None)

    # --- grants --------------------------------------------------------------

    @initialize()
    def first_credits(self) -> None:
        for name in NAMES:
            self._grant(name, f"first:{name}", (150, 50, "purchase", None))

    @rule(
        kind=st.sampled_from(["new", "new", "again", "otherwise"]),
        name=names,
        number=numbers,
        amount=st.integers(1, 120),
        priority=st.sampled_from([10, 50]),
        source=st.sampled_from(["purchase", "promotion", "trial"]),
        minutes=st.sampled_from([None, None, 2, 20, 60]),
    )
    def grant(self, kind: str, name: str, number: int, **new: Any) -> None:
        minutes = new["minutes"]
        expires_at = minutes and self.clock.moment + timedelta(minutes=minutes)
        terms = (new["amount"], new["priority"], new["source"], expires_at)
        earlier = self.grants_made[number % len(self.grants_made)]
        match kind:
            case "new":
                self._grant(name, f"grant:{len(self.grants_made)}", terms)
            case "again":
                self._grant(*earlier)
            case _:
                self._grant(name, earlier[1], (earlier[2][0] + number % 2, *terms[1:]))

    def _grant(self, name: str, reference: str, terms: Answer) -> None:
        expected = self.auditor.grant(name, reference, len(self.issued), terms)
        amount, priority, source, expires_at = terms
        try:
            granted = self.customers[name].grant(
                amount,
                reference=f"{id(self)}:{reference}",
                priority=priority,
                source=source,
                expires_at=expires_at,
            )
        except errors.ReferenceConflict:
            assert expected == ("conflict",)
            return
        if granted.id not in self.issued:
            self.issued.append(granted.id)
            self.grants_made.append((name, reference, terms))
        assert expected == ("granted", self.issued.index(granted.id))

    # --- calls ---------------------------------------------------------------

    # Hypothesis chooses among rules evenly: most of a history shall be orders.
    @rule(draft=drafts)
    def one_order(self, draft: Draft) -> None:
        self._commit([draft])

    @rule(draft=drafts)
    def place(self, draft: Draft) -> None:
        self._commit([("place", *draft[1:])])

    @rule(draft=drafts)
    def settle(self, draft: Draft) -> None:
        self._commit([("settle", *draft[1:])])

    @rule(batch=st.lists(drafts, min_size=2, max_size=6))
    def several_orders(self, batch: list[Draft]) -> None:
        self._commit(batch)

    def _commit(self, batch: list[Draft]) -> None:
        """The auditor takes the orders one by one, the ledger all at once."""
        orders, expected = [], []
        for draft in batch:
            order, predict = self._order(*draft)
            orders.append(order)
            expected.append(predict())
        assert [answer(outcome) for outcome in holds.commit(orders)] == expected

    def _order(
        self, kind: str, name: str, number: int, amount: int, percent: int
    ) -> tuple[Order[Any], Callable[[], Answer]]:
        calls = list(self.auditor.calls.values())
        if kind in ("place", "exact") or not calls:
            return self._place(name, number, self._bound(kind, name, amount))
        call = calls[number % len(calls)]
        if kind == "place again":
            return self._place(name, number, amount, hold_id=call.hold_id)
        waiting = [each for each in calls if each.is_unresolved]
        if kind != "settle again" and waiting:
            call = waiting[number % len(waiting)]
        if kind.startswith("entrust"):
            owner = NAMES[0] if number % 11 == 0 else call.organization
            return self._entrust(kind, owner, call, number, amount)
        owner = name if kind == "stranger's" else call.organization
        hold_id = uuid.uuid4().hex if kind == "unknown" else call.hold_id
        return self._resolution(kind, owner, hold_id, call.amount * percent // 100)

    def _resolution(
        self, kind: str, owner: str, hold_id: str, price: int
    ) -> tuple[Order[Any], Callable[[], Answer]]:
        account_id = self.customers[owner].account_id
        match kind:
            case "release":
                released = Release(hold_id, account_id, "upstream_refused")
                return released, lambda: self.auditor.release(owner, hold_id)
            case "doubt":
                doubted = Doubt(hold_id, account_id, "upstream_lost")
                return doubted, lambda: self.auditor.doubt(owner, hold_id)
            case _:
                usage: Usage = used(price, prompt_tokens=price, completion_tokens=1)
                settled = Settle(hold_id, account_id, usage)
                return settled, lambda: self.auditor.settle(owner, hold_id, price)

    def _entrust(
        self, kind: str, owner: str, call: Call, number: int, amount: int
    ) -> tuple[Order[Any], Callable[[], Answer]]:
        """For "exactly": all that is available on top, one less, or one too much."""
        bound = amount
        if kind == "entrust exactly":
            organization = self.auditor.organizations[call.organization]
            most = call.amount + organization.available(self.clock.moment)
            bound = max(0, most * 1_000_000 // call.factor + amount % 3 - 1)
        due_at = self.clock.moment + timedelta(seconds=number % 400 - 50)
        account_id = self.customers[owner].account_id
        order = Entrust(call.hold_id, account_id, due_at, bound)
        return order, lambda: self.auditor.entrust(owner, call.hold_id, bound, due_at)

    def _bound(self, kind: str, name: str, amount: int) -> int:
        """For "exact": what is just available, one less, or one too much."""
        if kind == "place":
            return amount
        organization = self.auditor.organizations[name]
        available = organization.available(self.clock.moment)
        most = available * 1_000_000 // organization.factor + amount % 3 - 1
        while most > 0 and organization.most(most) > max(most, 1):
            most -= 1  # what calls of this organization cost beyond their bounds
        return max(0, most)

    def _place(
        self, name: str, number: int, bound: int, hold_id: str = ""
    ) -> tuple[Order[Any], Callable[[], Answer]]:
        spender_ids = list(self.auditor.organizations[name].spenders)
        if number % 17 == 0:  # somebody else's
            spender_ids = list(self.auditor.organizations["one"].spenders)
        order: Place = self.customers[name].order(
            bound,
            hold_id=hold_id or uuid.uuid4().hex,
            spender_id=spender_ids[number % 2],
            lease_id=self.lease.hex if number % 3 else None,
            due_at=self.clock.moment + timedelta(seconds=30 + number % 200),
            shape=name,  # calls of one organization teach each other
        )
        return order, lambda: self.auditor.place(
            name,
            order.spender_id,
            order.hold_id,
            bound,
            order.due_at,
            order.lease_id,
        )

    # --- time and what goes with it ------------------------------------------

    @rule(seconds=st.sampled_from([1, 29, 46, 120, 121, 1200]))
    def time_passes(self, seconds: int) -> None:
        self.auditor.now = self.clock.advance(seconds=seconds)

    @rule(
        kind=st.sampled_from(["sweep", "sweep", "expire", "renew"]),
        seconds=st.sampled_from([1, 60]),
    )
    def tidy_up(self, kind: str, seconds: int) -> None:
        age = timedelta(seconds=seconds)
        match kind:
            case "sweep":
                expected = self.auditor.sweep(age)
                assert holds.sweep(in_doubt_after=age) == expected
                assert holds.sweep(in_doubt_after=age) == {"doubted": 0, "closed": 0}
            case "expire":
                lapsed = self.auditor.expire_due()
                assert grants.expire_due() == lapsed
            case _:
                self._renew_lease()

    def _renew_lease(self) -> None:
        leases.renew(self.lease, label="history", seconds=LEASE_SECONDS)
        ends = self.clock.moment + timedelta(seconds=LEASE_SECONDS)
        self.auditor.leases[self.lease.hex] = ends

    # --- the customers themselves --------------------------------------------

    @rule(
        kind=st.sampled_from(["factor", "factor", "close", "suspend or reopen"]),
        name=names,
        factor=st.sampled_from(FACTORS),
    )
    def change_the_customer(self, kind: str, name: str, factor: int) -> None:
        account_id = self.customers[name].account_id
        organization = self.auditor.organizations[name]
        match kind:
            case "factor":
                account = Account.objects.filter(id=account_id)
                account.update(price_factor_ppm=factor)
                organization.factor = factor
            case "close":  # the second one; the first goes on
                spender_id = list(organization.spenders)[1]
                spenders.close(spender_id)
                organization.spenders[spender_id] = False
            case _:
                is_open = organization.is_open
                (accounts.suspend if is_open else accounts.reopen)(account_id)
                organization.is_open = not is_open

    # --- after each step -----------------------------------------------------

    @invariant()
    def the_ledger_proves_itself(self) -> None:
        assert codes_of_errors() == []

    @invariant()
    def the_ledger_says_what_the_auditor_says(self) -> None:
        found = stored(self.customers)
        for kind, before in self.before.items():
            found[kind] -= before
        assert found == self._audited()

    @invariant()
    def the_pages_show_what_may_be_spent(self) -> None:
        self.steps += 1
        if self.steps % 4:
            return
        name = NAMES[self.steps % len(NAMES)]
        each = self.auditor.organizations[name]
        expected = (each.balance(), each.held(), each.available(self.clock.moment))
        assert self.customers[name].figures() == expected

    def _audited(self) -> dict[str, Any]:
        organizations = self.auditor.organizations
        calls = self.auditor.calls.values()
        return {
            "balances": {n: (o.balance(), o.held()) for n, o in organizations.items()},
            "lots": {
                self.issued[lot.number]: (lot.left, lot.held)
                for each in organizations.values()
                for lot in each.lots
            },
            "states": {call.hold_id: call.state for call in calls},
            "words": {
                (call.hold_id, price): state
                for call in calls
                for price, state in call.words.items()
            },
            "consumed": {name: each.consumed for name, each in organizations.items()},
            "usage": {name: self.auditor.usage[name] for name in NAMES},
            "issuance": -self.auditor.issued,
            "absorbed": -self.auditor.absorbed,
            "expiry": self.auditor.expired,
            "adjustment": -self.auditor.adjusted,
            "owed": {name: each.owed for name, each in organizations.items()},
        }
