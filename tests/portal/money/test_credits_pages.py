"""Credits and ledger: grants in turn, entries with their balance, and links."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import timedelta

import pytest
from django.test import Client

from billing import grants
from billing.models.grant import GrantSource
from billing.values import clock
from billing.values.orders import CREDIT
from portal.models import Organization, User
from portal.pages.money import ledger
from tests.support.cast import make_call, make_key
from tests.support.portal import pages

pytestmark = pytest.mark.once


def look(client: Client, user: User, path: str) -> pages.Page:
    client.force_login(user)
    page = pages.read(client.get(f"/o/acme/billing/{path}"))
    assert not pages.misplaced(page)
    return page


def test_grants_are_listed_in_the_order_in_which_they_pay(
    client: Client, alice: User, organization: Organization
) -> None:
    soon = clock.now() + timedelta(days=3)
    grants.issue(
        organization.account_id,
        5 * CREDIT,
        source=GrantSource.PROMOTION,
        reference="promo",
        reason="=welcome",
        expires_at=soon,
    )
    make_call(make_key(organization, alice)[0], charged=2)
    page = look(client, alice, "credits/")
    assert "3 promotional credits, in 2 days" in page.text.replace(" : ", ": ")
    text = page.text
    assert text.index("=welcome 1 promotional active 50 5 2 0 3 3") < text.index(
        "2 bought active 50 1,000 0 0 1,000 1,000"
    )
    assert "1,005 2 0 1,003 1,003" in text
    answer = client.get("/o/acme/billing/credits/?format=csv")
    found = list(csv.DictReader(io.StringIO(answer.getvalue().decode())))
    assert [row["remaining"] for row in found] == ["3", "1000"]
    assert found[0]["reason"] == "'=welcome"


def test_the_ledger_runs_from_opening_to_closing(
    client: Client, alice: User, organization: Organization
) -> None:
    key = make_key(organization, alice, "server")[0]
    first, second = make_call(key, charged=2), make_call(key, charged=3)
    page = look(client, alice, "ledger/")
    text = page.text
    assert "Opening balance 0 Credits bought 1 +1,000 Calls 2 −5" in text
    assert "Closing balance 995" in text
    for hold_id in (first, second):
        assert f"/o/acme/activity/req_{hold_id}/" in page.links()
    assert "−3 995" in text
    assert "−2 998" in text
    assert any("/billing/explain/?from=" in link for link in page.links())
    # One reason only, in the page and in its CSV.
    bought = look(client, alice, "ledger/?why=purchase")
    assert "+1,000 1,000" in bought.text
    assert not [link for link in bought.links() if "req_" in link]
    answer = client.get("/o/acme/billing/ledger/?why=usage&format=csv")
    found = list(csv.DictReader(io.StringIO(answer.getvalue().decode())))
    assert [row["amount"] for row in found] == ["-3", "-2"]
    assert [row["balance"] for row in found] == ["995", "998"]
    assert client.get("/o/acme/billing/ledger/?why=theft").status_code == 404


def test_the_ledger_is_paged_by_entries(
    client: Client,
    alice: User,
    organization: Organization,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ledger, "TABLE", replace(ledger.TABLE, size=2))
    key = make_key(organization, alice)[0]
    calls = [make_call(key, charged=1) for _ in range(5)]

    def shown(page: pages.Page) -> list[str]:
        return [link[-33:-1] for link in page.links() if "/req_" in link]

    first = look(client, alice, "ledger/?why=usage")
    assert shown(first) == calls[:2:-1]
    following = next(link for link in first.links() if "after=" in link)
    second = look(client, alice, f"ledger/{following}")
    assert shown(second) == calls[2:0:-1]
    back = next(link for link in second.links() if "before=" in link)
    assert shown(look(client, alice, f"ledger/{back}")) == calls[:2:-1]
    assert shown(look(client, alice, "ledger/?why=usage&after=x")) == calls[:2:-1]
