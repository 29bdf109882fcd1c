"""FOCUS at the price of then, and what is written beside the file."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.management import call_command
from django.utils import timezone
from pytest_django import Settings

from billing.models import CreditPrice
from billing.payments import price_history
from billing.reports.periods import Range
from portal.documents import write
from portal.documents.kinds import Format, Kind
from portal.models import Organization, User
from tests.support.cast import make_call, make_key
from tests.support.portal.documented import later

pytestmark = [pytest.mark.django_db, pytest.mark.once]


def worth_by_price(organization: Organization, path: Path) -> dict[str, Decimal]:
    now = timezone.now()
    span = Range(now - timedelta(days=40), now + timedelta(days=40))
    write.to_file(organization, Kind.FOCUS, Format.CSV, span, path)
    found: dict[str, Decimal] = defaultdict(Decimal)
    for row in csv.DictReader(path.read_text().splitlines()):
        if row["ChargeCategory"] == "Usage":
            name = f"{row['ListUnitPrice']} {row['BillingCurrency']}"
            found[name] += Decimal(row["EffectiveCost"])
    return dict(found)


def test_usage_is_worth_what_it_cost_then(
    organization: Organization, alice: User, tmp_path: Path, settings: Settings
) -> None:
    """Also on the day of the change, and whatever the setting is when it is read."""
    key, _ = make_key(organization, alice)
    make_call(key, charged=3)
    assert price_history.note()
    assert not price_history.note()
    settings.CREDIT_PRICE = "0.025"
    assert price_history.note()
    make_call(key, charged=4)
    assert worth_by_price(organization, tmp_path / "a.csv") == {
        "0.01 USD": Decimal("0.03"),
        "0.025 USD": Decimal("0.1"),
    }
    settings.CREDIT_PRICE, settings.PAYMENT_CURRENCY = "0.5", "eur"
    with later(seconds=60):
        price_history.note()
        make_call(key, charged=2)
        assert worth_by_price(organization, tmp_path / "b.csv") == {
            "0.01 USD": Decimal("0.03"),
            "0.025 USD": Decimal("0.1"),
            "0.50 EUR": Decimal(1),
        }


def test_without_a_note_it_is_the_price_of_now(settings: Settings) -> None:
    settings.CREDIT_PRICE = "0.07"
    now = timezone.now()
    [(span, price)] = price_history.over(Range(now - timedelta(days=1), now))
    assert (span.end, price.each) == (now, 7_000_000)


def test_a_clock_that_was_set_back_notes_all_the_same(settings: Settings) -> None:
    ahead = timezone.now() + timedelta(hours=1)
    CreditPrice.objects.create(currency="usd", each=1, valid_from=ahead)
    assert price_history.note()
    assert CreditPrice.objects.latest("valid_from").valid_from > ahead


@pytest.mark.parametrize(
    ("kind", "version"), [(Kind.FOCUS, "1.2"), (Kind.FOCUS_1_4, "1.4")]
)
def test_what_the_file_is_stands_beside_it(
    organization: Organization, tmp_path: Path, kind: Kind, version: str
) -> None:
    day = timezone.now().date().isoformat()
    path = tmp_path / "focus.csv"
    call_command(
        "export",
        *("--organization", organization.slug, "--kind", str(kind)),
        *("--from", day, "--to", day, "--out", str(path)),
    )
    told = json.loads((tmp_path / "focus.csv.metadata.json").read_text())
    assert told["FocusVersion"] == version
    header = path.read_text().splitlines()[0].split(",")
    assert [each["ColumnName"] for each in told["ColumnDefinition"]] == header
    assert told["x_Sha256"] == write.digest_of(path)[1]
    types = {each["ColumnName"]: each["DataType"] for each in told["ColumnDefinition"]}
    assert types["Tags"] == "JSON"
    assert types["BilledCost"] == "DECIMAL"
    assert types["ChargePeriodStart"] == "DATETIME"


def test_nothing_stands_beside_another_file(
    organization: Organization, tmp_path: Path
) -> None:
    day = timezone.now().date().isoformat()
    call_command(
        "export",
        *("--organization", organization.slug, "--kind", "usage"),
        *("--from", day, "--to", day, "--out", str(tmp_path / "usage.csv")),
    )
    assert [path.name for path in tmp_path.iterdir()] == ["usage.csv"]
