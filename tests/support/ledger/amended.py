"""Amendments in random histories: credits that come and go outside any call."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from hypothesis import strategies as st
from hypothesis.stateful import rule

from billing import amendments, debts
from billing.amendments import Amended, Why
from billing.values import errors
from tests.support.ledger.auditor import Answer, Auditor, Lot
from tests.support.ledger.payers import Payer
from tests.support.ledger.second_words import given_by

KINDS = ("credit", "debit", "clawback", "write off", "reverse", "charge back")


def answered(amend: Callable[[], Amended]) -> Answer:
    try:
        done = amend()
    except errors.Refusal as refusal:
        return (type(refusal).__name__,)
    changes = (done.moved_micros, done.owed_micros)
    return (*changes, done.available_micros, done.debt_micros)


class Amendments:
    """The operator's part of a history."""

    auditor: Auditor
    customers: dict[str, Payer]
    issued: list[int]
    amended = 0

    @rule(
        kind=st.sampled_from(KINDS),
        name=st.sampled_from(("one", "two", "three")),
        number=st.integers(0, 10**6),
        micros=st.integers(1, 80),
    )
    def amend(self, kind: str, name: str, number: int, micros: int) -> None:
        self.amended += 1
        why = Why(f"{id(self)}:{self.amended}", "history", "auditor")
        account_id = self.customers[name].account_id
        act: Callable[[], Amended]
        if kind == "credit":
            lot = Lot(len(self.issued), micros, 50, is_promotion=False, expires_at=None)
            act = partial(amendments.credit, account_id, micros, why)
            expected = self.auditor.credit(name, lot)
        elif kind in ("reverse", "charge back"):
            lots = self.auditor.organizations[name].lots
            lot, recovers = lots[number % len(lots)], kind == "charge back"
            grant_id = self.issued[lot.number]
            act = partial(amendments.reverse, grant_id, why, recovers_spent=recovers)
            expected = self.auditor.reverse(name, lot, recovers_spent=recovers)
        else:
            word = kind.replace(" ", "_")
            act = partial(getattr(amendments, word), account_id, micros, why)
            expected = getattr(self.auditor, word)(name, micros)
        assert answered(act) == expected
        if kind == "credit":
            self.issued.append(given_by(act().amendment_id))
        elif number % 3 == 0 and len(expected) > 1:
            assert act().repeat

    @rule()
    def pay_debts(self) -> None:
        paid = [self.auditor.pay_debt(name) for name in self.auditor.organizations]
        assert debts.pay_all() == sum(each > 0 for each in paid)
