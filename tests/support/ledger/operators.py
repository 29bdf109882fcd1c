"""The operator's amendments in few words, and an organization that saw all of them."""

from __future__ import annotations

import itertools
from typing import Any

from billing import amendments
from billing.amendments import Amended, Why
from billing.models import Account
from tests.support.ledger.payers import Payer

_numbers = itertools.count(1)


def why(reference: str = "") -> Why:
    return Why(reference or f"case {next(_numbers)}", "the bank's letter", "olga")


def charge_back(grant_id: int) -> Amended:
    return amendments.reverse(grant_id, why(), recovers_spent=True)


def owed_by(customer: Payer) -> int:
    return Account.objects.get(id=customer.account_id).owed_micros


def amended_history() -> dict[str, Any]:
    """One amendment of each kind, a debt that is partly paid; their names."""
    customer = Payer.open()
    bought, given = customer.grant(100), customer.grant(7)
    account_id = customer.account_id
    credit = amendments.credit(account_id, 20, why())
    amendments.debit(account_id, 5, why())
    amendments.reverse(given.id, why(), recovers_spent=False)
    customer.call(60)
    charged_back = charge_back(bought.id)
    clawback = amendments.clawback(account_id, 11, why())
    amendments.write_off(account_id, 10, why())
    customer.grant(30)
    debt = Account.objects.get(kind="debt", tenant_id=account_id)
    return {
        "debtor": account_id,
        "debt_account": debt.id,
        "bought_lot": bought.id,
        "credited": credit.amendment_id.hex,
        "charged_back": charged_back.amendment_id.hex,
        "clawed_back": clawback.amendment_id.hex,
    }
