"""FOCUS files: their sums are the ledger's and the receipts', and the official
validator finds nothing in the one of 1.2 but what portal/README.md names.

FOCUS_PYTHON names a Python 3.12 that has focus-validator 2.2.1 (it does not run on the
version that Tollgate needs); without it the rules that it would apply are checked from
our own list.
"""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
from collections import defaultdict
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
from django.utils import timezone

from billing import corrections
from billing.models import Account, TopUp
from billing.models.correction import CorrectionKind
from billing.models.topup import ProviderName
from billing.payments import prices, topups
from billing.payments.topups import Wanted
from billing.reports.periods import Range
from portal.documents import write
from portal.documents.kinds import Format, Kind
from portal.documents.labels import receipt_label
from portal.documents.sources import money
from portal.models import Organization, User
from tests.support.cast import make_call, make_key

pytestmark = [pytest.mark.django_db, pytest.mark.once]

# What the validator says of a file that is as the specification wants it, and why:
# portal/README.md says it too.
ITS_OWN = {
    # A charge has an invoice or none. The validator wants all of a file to have one, or
    # none; a prepaid month always has both: receipts, and usage without one.
    *("InvoiceId-C-000-O", "InvoiceId-C-003-C"),
    *("InvoiceId-C-004-C", "InvoiceId-C-005-C"),
}


def buy(organization: Organization, key: str, *, tax: int = 0) -> TopUp:
    wanted = Wanted(prices.offer(credits=1000), provider=ProviderName.MANUAL)
    made = topups.start(organization.account_id, wanted, key=key, asked_by="alice")
    paid = topups.mark_paid(made.id, payment_ref=f"bank {key}", by="test")
    if tax:  # a bank transfer has none; the seal is not looked at here
        TopUp.objects.filter(id=made.id).update(tax_minor=tax)
    return paid


@pytest.fixture
def books(organization: Organization, alice: User) -> Organization:
    """Usage of two keys, corrections, two receipts, one of which was paid back."""
    key, _ = make_key(organization, alice)
    other, _ = make_key(organization, alice, "ci")
    calls = [make_call(key, charged=n) for n in (3, 4, 5)]
    make_call(other, charged=2, model="image/large")
    refund = CorrectionKind.REFUND
    corrections.post(UUID(calls[0]), refund, 1_234_567, reference="r", reason="broken")
    buy(organization, "one", tax=190)
    second = buy(organization, "two")
    topups.refund(second.id, 333, by="test")
    return organization


def rows_of(organization: Organization, kind: Kind, path: Path) -> list[dict[str, str]]:
    now = timezone.now()
    span = Range(now - timedelta(days=40), now + timedelta(seconds=1))
    write.to_file(organization, kind, Format.CSV, span, path)
    return list(csv.DictReader(path.read_text().splitlines()))


@pytest.mark.parametrize("kind", [Kind.FOCUS, Kind.FOCUS_1_4])
def test_usage_is_the_ledgers_and_each_invoice_its_receipt(
    books: Organization, tmp_path: Path, kind: Kind
) -> None:
    rows = rows_of(books, kind, tmp_path / "focus.csv")
    used = [row for row in rows if row["ChargeCategory"] == "Usage"]
    charged = sum(int(row["x_CreditsMicros"]) for row in used)
    account = Account.objects.get(id=books.account_id)
    assert account.usage_account is not None
    assert charged == account.usage_account.balance_micros
    assert sum(Decimal(row["PricingQuantity"]) for row in used) * 10**6 == charged
    worth = Decimal(charged) * money.credit_price() / 10**14
    assert sum(Decimal(row["EffectiveCost"]) for row in used) == worth
    assert {row["ChargeClass"] for row in used} == {"", "Correction"}
    assert {row["BilledCost"] for row in used} == {"0.00"}
    check_receipts(books, rows)


def check_receipts(books: Organization, rows: list[dict[str, str]]) -> None:
    billed: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        if row["InvoiceId"]:
            billed[row["InvoiceId"]] += Decimal(row["BilledCost"])
    assert billed == {
        receipt_label(topup): Decimal(topup.total_minor - topup.refunded_minor) / 100
        for topup in TopUp.objects.filter(account_id=books.account_id)
    }
    assert len(billed) == 2


def test_invoice_details_add_up_to_the_same_receipts(
    books: Organization, tmp_path: Path
) -> None:
    rows = rows_of(books, Kind.FOCUS_INVOICES, tmp_path / "invoices.csv")
    check_receipts(books, rows)
    charges = rows_of(books, Kind.FOCUS_1_4, tmp_path / "focus.csv")
    named = {row["InvoiceDetailId"] for row in charges if row["InvoiceDetailId"]}
    assert {row["InvoiceDetailId"] for row in rows} == named
    assert len(named) == len(rows) == 4
    [period, *_] = rows_of(books, Kind.FOCUS_PERIODS, tmp_path / "periods.csv")
    assert period["BillingPeriodStatus"] == "Open"


def test_the_two_versions_differ_by_the_columns_that_the_specification_changed(
    books: Organization, tmp_path: Path
) -> None:
    old = rows_of(books, Kind.FOCUS, tmp_path / "old.csv")[0].keys()
    new = rows_of(books, Kind.FOCUS_1_4, tmp_path / "new.csv")[0].keys()
    assert old - new == {"ProviderName", "PublisherName"}
    assert new - old == {"HostProviderName", "InvoiceDetailId", "ServiceProviderName"}


def test_the_validator_finds_nothing_of_ours(
    books: Organization, tmp_path: Path
) -> None:
    path = tmp_path / "focus.csv"
    rows_of(books, Kind.FOCUS, path)
    python = os.environ.get("FOCUS_PYTHON")
    if not python:
        check_by_hand(path)
        return
    site = subprocess.run(
        [python, "-c", "import focus_validator as f; print(f.__path__[0])"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    found = subprocess.run(
        [
            *(python, "-m", "focus_validator.main", "--data-file", str(path)),
            *("--validate-version", "1.2.0.1", "--block-download"),
            *("--output-type", "console"),
        ],
        cwd=Path(site).parent,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    said = found.stdout + found.stderr
    print_to = os.environ.get("FOCUS_SAID")
    if print_to:
        Path(print_to).write_text(said)
    assert "CostAndUsage" in said
    failed = set(re.findall(r"(?:FAIL|❌)\S*\s+([\w-]+-[CDA]-\d{3}-\w)", said))
    assert failed <= ITS_OWN, said[-5000:]


def check_by_hand(path: Path) -> None:
    """What of the rules can be said in a few lines."""
    for row in csv.DictReader(path.read_text().splitlines()):
        for name, value in row.items():
            if name.endswith(("Cost", "Price", "Quantity")):
                assert not value or re.fullmatch(r"-?\d+\.\d{2,}", value), name
            if name.endswith(("Start", "End")):
                assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", value)
        product = Decimal(row["PricingQuantity"] or 0) * Decimal(
            row["ContractedUnitPrice"] or 0
        )
        if row["PricingQuantity"]:
            assert product == Decimal(row["ContractedCost"]) == Decimal(row["ListCost"])
        assert json.loads(row["Tags"]) is not None
