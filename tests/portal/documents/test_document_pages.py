"""Pages of documents: asking for exports, closing a month, receipts, cost centres."""

from __future__ import annotations

import csv
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from billing.models import Statement
from billing.models.topup import ProviderName
from billing.payments import prices, topups
from billing.payments.topups import Wanted
from portal.documents import files, making
from portal.models import ApiKey, CostLabel, Export, ExportSchedule, Organization, User
from portal.tenants import cost_labels, projects
from portal.tenants.errors import InvalidLabel
from tests.support.cast import actor_of, make_call, make_key
from tests.support.portal.documented import later, this_month

pytestmark = [pytest.mark.django_db, pytest.mark.once]

EXPORTS, STATEMENTS = "/o/acme/exports/", "/o/acme/billing/statements/"


@pytest.fixture
def owner(
    organization: Organization, alice: User, tmp_path: Path, settings: Settings
) -> Client:
    settings.VAR_DIR = tmp_path
    client = Client()
    client.force_login(alice)
    return client


@pytest.fixture
def key(organization: Organization, alice: User) -> ApiKey:
    return make_key(organization, alice)[0]


def day(offset: int) -> str:
    return (timezone.now() + timedelta(days=offset)).strftime("%Y-%m-%d")


def form(**more: Any) -> dict[str, Any]:
    usual = {"kind": "usage", "format": "csv", "from": day(-3), "to": day(0)}
    return usual | {"ticket": "t"} | more


def test_an_export_is_asked_for_made_and_listed(owner: Client, key: ApiKey) -> None:
    make_call(key)
    for _ in range(2):  # a form that is sent twice asks once
        assert owner.post(EXPORTS, form()).status_code == 302
    export = Export.objects.get()
    assert "waits" in owner.get(EXPORTS).content.decode()
    making.make_due()
    page = owner.get(EXPORTS).content.decode()
    export.refresh_from_db()
    assert export.sha256 in page
    assert f"{EXPORTS}{export.pk}/download" in page
    assert "metadata" not in page
    assert owner.get(f"{EXPORTS}{export.pk}/metadata.json").status_code == 404


def test_a_focus_file_is_offered_with_its_metadata(owner: Client, key: ApiKey) -> None:
    make_call(key)
    owner.post(EXPORTS, form(kind="focus", format="csv"))
    making.make_due()
    export = Export.objects.get()
    link = f"{EXPORTS}{export.pk}/metadata.json"
    assert link in owner.get(EXPORTS).content.decode()
    answer = owner.get(link)
    told = answer.json()
    assert (told["FocusVersion"], told["x_Sha256"]) == ("1.2", export.sha256)
    assert f'{told["x_File"]}.metadata.json"' in answer["Content-Disposition"]
    Export.objects.update(expires_at=timezone.now())
    assert owner.get(link).status_code == 404


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"from": day(0), "to": day(-1)}, "It ends before it begins."),
        ({"to": day(2)}, "This day has not begun yet."),
        ({"from": "1999-12-31"}, "year 2000"),
        ({"from": "2026-02-30"}, "Enter a valid date."),
        ({"from": ""}, "This field is required."),
        ({"kind": "secrets"}, "Select a valid choice."),
        ({"format": "exe"}, "Select a valid choice."),
        ({"from": "\x00"}, "Enter a valid date."),
    ],
)
def test_what_makes_no_sense_is_an_error_of_its_field(
    owner: Client, wrong: dict[str, str], said: str
) -> None:
    answer = owner.post(EXPORTS, form(**wrong))
    assert answer.status_code == 400
    assert said in answer.content.decode()
    assert not Export.objects.exists()
    # The same form is sent again, set right.
    assert owner.post(EXPORTS, form()).status_code == 302


def test_a_schedule_is_made_and_deleted(owner: Client) -> None:
    url = f"{EXPORTS}schedules/"
    sent = {"kind": "focus", "format": "csv", "every": "month", "ticket": "t"}
    assert owner.post(url, sent | {"mails": "on"}).status_code == 302
    schedule = ExportSchedule.objects.get()
    assert schedule.mail_to == "alice@example.com"
    assert "FOCUS 1.2" in owner.get(url).content.decode()
    for _ in range(2):
        owner.post(f"{url}{schedule.pk}/delete")
    assert not ExportSchedule.objects.exists()
    assert owner.post(url, sent | {"every": "hour"}).status_code == 400


def test_a_month_is_closed_by_one_click(owner: Client, key: ApiKey) -> None:
    make_call(key)
    month = this_month()
    answer = owner.post(f"{STATEMENTS}{month}/close", follow=True)
    assert "is not over" in answer.content.decode()
    assert not Statement.objects.exists()
    with later(days=40):
        assert f"Close {month}" in owner.get(STATEMENTS).content.decode()
        answer = owner.post(f"{STATEMENTS}{month}/close", follow=True)
        page = answer.content.decode()
        assert "Difference to the ledger: 0." in page
        assert Statement.objects.get(part=0).digest in page
        assert owner.get(f"{STATEMENTS}{month}.json").json()["number"] == "S-1"
        made = owner.get(f"{STATEMENTS}{month}.pdf")
        assert made.content.startswith(b"%PDF-")
    assert owner.get(f"{STATEMENTS}1999-01/").status_code == 404
    assert owner.get(f"{STATEMENTS}soon/").status_code == 404


def test_a_receipt_is_a_file_for_its_buyer_only(
    owner: Client, organization: Organization, mallory: User
) -> None:
    wanted = Wanted(
        prices.offer(credits=1000),
        provider=ProviderName.MANUAL,
        buyer_name="<b>Ácme & Söhne</b>",
    )
    made = topups.start(organization.account_id, wanted, key="k", asked_by="alice")
    paid = topups.mark_paid(made.id, payment_ref="bank 1", by="test")
    number = paid.receipt_number
    assert f"R-{number}" in owner.get(STATEMENTS).content.decode()
    file = owner.get(f"/o/acme/billing/receipts/{number}.pdf")
    assert file.content.startswith(b"%PDF-")
    stranger = Client()
    stranger.force_login(mallory)
    foreign = stranger.get(f"/o/elsewhere/billing/receipts/{number}.pdf")
    assert foreign.status_code == 404


# --- cost centres ---------------------------------------------------------------------


def test_costs_of_key_and_project_are_in_exports(
    owner: Client, organization: Organization, key: ApiKey
) -> None:
    project = projects.default_of(organization)
    of_project = f"/o/acme/projects/{project.pk}/costs"
    sent = {"cost_center": "4711", "tags": "team=search\nenv = live"}
    assert owner.post(of_project, sent).status_code == 302
    of_key = f"/o/acme/keys/{key.pk}/costs"
    assert owner.post(of_key, {"tags": "env=test"}).status_code == 302
    make_call(key)
    owner.post(EXPORTS, form())
    making.make_due()
    path = files.folder() / Export.objects.get().file
    [row] = csv.DictReader(path.read_text().splitlines())
    assert row["cost_center"] == "4711"
    assert row["tags"] == '{"env":"test","team":"search"}'
    assert "4711" in owner.get(of_project).content.decode()


@pytest.mark.parametrize(
    "wrong", ["no equals", "a=1\na=2", "=x", "a=", "a=\u202ex", "n" * 65 + "=x"]
)
def test_tags_that_cannot_be_kept_are_refused(
    owner: Client, key: ApiKey, wrong: str
) -> None:
    answer = owner.post(f"/o/acme/keys/{key.pk}/costs", {"tags": wrong})
    assert answer.status_code == 400
    assert not CostLabel.objects.exists()


def test_so_many_tags_at_most(
    organization: Organization, alice: User, key: ApiKey
) -> None:
    tags = {str(n): "x" for n in range(cost_labels.TAGS_MAX + 1)}
    with pytest.raises(InvalidLabel):
        cost_labels.set_of_key(key, "", tags, actor=actor_of(alice))
