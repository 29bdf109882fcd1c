"""The database knows which accounts a kind of transfer may join."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from billing.models import Account, Transfer
from billing.models.account import AccountKind
from billing.models.transfer import ENDS, TransferKind
from billing.values.ids import new_id
from tests.support.ledger.clocks import START
from tests.support.ledger.payers import Payer


def insert(kind: str, source: Account, destination: Account) -> None:
    with transaction.atomic():
        Transfer.objects.create(
            id=new_id(),
            kind=kind,
            source=source,
            source_kind=source.kind,
            source_tenant_id=source.tenant_id,
            destination=destination,
            destination_kind=destination.kind,
            destination_tenant_id=destination.tenant_id,
            amount_micros=1,
            reference=new_id(),
            created_at=START,
        )


def account(kind: AccountKind, customer: Payer) -> Account:
    if kind == AccountKind.ORGANIZATION:
        return Account.objects.get(id=customer.account_id)
    if kind == AccountKind.USAGE:
        return Account.objects.get(kind=kind, tenant_id=customer.account_id)
    if kind == AccountKind.DEBT:  # of those who owe
        return Account.objects.get_or_create(kind=kind, tenant_id=customer.account_id)[
            0
        ]
    return Account.objects.get(kind=kind)


def test_a_tenant_has_both_its_accounts(customer: Payer) -> None:
    both = Account.objects.filter(tenant_id=customer.account_id)
    assert sorted(both.values_list("kind", flat=True)) == ["organization", "usage"]


@pytest.mark.parametrize("kind", TransferKind)
def test_a_kind_fixes_the_kinds_of_both_accounts(
    customer: Payer, stranger: Payer, kind: TransferKind
) -> None:
    for source in AccountKind:
        for destination in AccountKind:
            if source == destination:
                continue
            ends = account(source, customer), account(destination, customer)
            if (source, destination) == ENDS[kind]:
                insert(kind, *ends)
                continue
            with pytest.raises(IntegrityError, match="transfer_fits_its_kind"):
                insert(kind, *ends)


@pytest.mark.parametrize("kind", [TransferKind.USAGE, TransferKind.REFUND])
def test_both_accounts_are_of_one_tenant(
    customer: Payer, stranger: Payer, kind: TransferKind
) -> None:
    source, destination = ENDS[kind]
    with pytest.raises(IntegrityError, match="transfer_fits_its_kind"):
        insert(kind, account(source, customer), account(destination, stranger))


def test_a_kind_that_nobody_knows_is_refused(customer: Payer) -> None:
    ends = (
        account(AccountKind.ISSUANCE, customer),
        account(AccountKind.ORGANIZATION, customer),
    )
    with pytest.raises(IntegrityError, match="transfer_fits_its_kind"):
        insert("gift", *ends)
