"""`manage.py correct`: what it does, what it says, and what it refuses."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from billing.models import Amendment, Grant
from billing.reports.balance import balance_of
from billing.values.orders import CREDIT
from billing.verification.report import verify
from portal.models import AuditEvent, Organization, User
from tests.support import cast

pytestmark = pytest.mark.django_db

WHY = ("--reason", "the bank's letter of May")


def said(*words: str) -> str:
    output = StringIO()
    call_command("correct", *words, stdout=output)
    return output.getvalue().strip()


def done(organization: Organization, word: str, credits: str, **more: str) -> Any:
    given = {"--organization": organization.slug, "--credits": credits, **more}
    options = [part for each in given.items() for part in each]
    reference = ("--reference", f"{word} {credits}")
    return json.loads(said(word, *options, *reference, *WHY, "--json"))


def refused(*words: str) -> str:
    before = (Amendment.objects.count(), AuditEvent.objects.count())
    with pytest.raises(CommandError) as caught:
        said(*words)
    assert (Amendment.objects.count(), AuditEvent.objects.count()) == before
    return str(caught.value)


def available(organization: Organization) -> int:
    assert verify().ok
    return balance_of(organization.account_id).available_micros


def test_credits_come_and_go(organization: Organization) -> None:
    assert done(organization, "credit", "0.5")["available_credits"] == "1000.5"
    assert done(organization, "debit", "100")["moved_credits"] == "-100"
    owing = done(organization, "clawback", "950.5")
    assert (owing["owed_credits"], owing["available_credits"]) == ("50", "0")
    assert done(organization, "write-off", "20")["debt_credits"] == "30"
    paying = done(organization, "credit", "40")
    assert (paying["available_credits"], paying["debt_credits"]) == ("10", "0")
    assert available(organization) == 10 * CREDIT


def test_it_says_what_happened(organization: Organization) -> None:
    options = ("--organization", organization.slug, "--credits", "1001")
    words = ("clawback", *options, "--reference", "7", *WHY)
    first = said(*words)
    name = f"amendment_{Amendment.objects.get().id.hex}"

    assert first.splitlines() == [
        f"{name}: -1000 credits for acme, 1 of debt.",
        "acme has 0 credits available and owes 1.",
    ]
    assert said(*words).splitlines() == [
        f"{name} was done before: nothing was changed now.",
        "acme has 0 credits available and owes 1.",
    ]
    assert Amendment.objects.count() == 1


def test_a_credit_may_end(organization: Organization) -> None:
    more = {"--expires-at": "2100-01-31T00:00:00"}
    done(organization, "credit", "5", **more)
    grant = Grant.objects.get(source="adjustment")
    assert grant.expires_at is not None
    assert grant.expires_at.isoformat() == "2100-01-31T00:00:00+00:00"


def test_a_grant_is_listed_and_taken_back(organization: Organization) -> None:
    done(organization, "credit", "7")
    of = ("--organization", organization.slug)
    latest, first = json.loads(said("list", *of, "--json"))
    assert (latest["source"], latest["left"]) == ("adjustment", "7")
    assert first["id"] in said("list", *of)

    back = ("--grant", first["id"], "--reference", "chargeback 3", *WHY)
    told = json.loads(said("reverse", *back, "--json"))
    assert (told["moved_credits"], told["debt_credits"]) == ("-1000", "0")
    assert available(organization) == 7 * CREDIT


def test_what_was_spent_of_it_is_recovered_if_so_wished(
    organization: Organization, alice: User
) -> None:
    key, _ = cast.make_key(organization, alice)
    cast.make_call(key, charged=30)
    [grant] = json.loads(said("list", "--organization", organization.slug, "--json"))
    words = ("--grant", grant["id"], *WHY, "--json")
    left = json.loads(said("reverse", *words, "--reference", "1"))
    assert (left["moved_credits"], left["owed_credits"]) == ("-970", "0")
    rest = json.loads(said("reverse", *words, "--reference", "2", "--recover-spent"))
    assert (rest["moved_credits"], rest["owed_credits"]) == ("0", "30")
    assert available(organization) == 0


def test_a_call_is_refunded_once(organization: Organization, alice: User) -> None:
    key, _ = cast.make_key(organization, alice)
    call = f"req_{cast.make_call(key, charged=30)}"
    words = ("refund", "--call", call, *WHY)

    told = json.loads(said(*words, "--credits", "12.5", "--json"))
    assert (told["id"], told["refunded_credits"]) == (call, "12.5")
    assert told["available_credits"] == "982.5"
    assert "was done before" in said(*words, "--credits", "12.5")
    assert "stands for something else" in refused(*words, "--credits", "1")
    assert available(organization) == 982_500_000


@pytest.mark.parametrize(
    ("word", "options", "message"),
    [
        ("credit", ("--credits", "0"), "--credits 0 changes nothing"),
        ("credit", ("--credits", "-1"), "write plain credits"),
        ("credit", ("--credits", "1e3"), "write plain credits"),
        ("credit", ("--credits", "NaN"), "write plain credits"),
        ("credit", ("--credits", "0.1234567"), "write plain credits"),
        ("credit", ("--credits", "9999999999"), "amount out of range"),
        ("credit", ("--credits", "1", "--expires-at", "soon"), "write e.g. 2027"),
        ("credit", ("--credits", "1", "--expires-at", "2001-02-31T00:00Z"), "write"),
        ("credit", ("--credits", "1", "--expires-at", "2001-01-31T00:00Z"), "future"),
        ("debit", ("--credits", "1001"), "only 1000000000 microcredits are available"),
        ("write-off", ("--credits", "1"), "only 0 microcredits are owed"),
    ],
)
def test_nonsense_is_refused(
    organization: Organization, word: str, options: tuple[str, ...], message: str
) -> None:
    of = ("--organization", organization.slug, "--reference", "1", *WHY)
    assert message in refused(word, *of, *options)


def test_unknown_names_are_refused(organization: Organization) -> None:
    rest = ("--reference", "1", *WHY)
    nobody = ("--organization", "nobody", "--credits", "1")
    assert "no organization 'nobody'" in refused("credit", *nobody, *rest)
    for grant in ("7", "grant_-1", "grant_1x", "grant_" + "9" * 19):
        assert "is no grant" in refused("reverse", "--grant", grant, *rest)
    assert "There is no grant_0" in refused("reverse", "--grant", "grant_0", *rest)
    for call in ("1", "req_1", f"late_{'0' * 32}"):
        words = ("--call", call, "--credits", "1", *WHY)
        assert "is no request id" in refused("refund", *words)
    assert "No call has" in refused(
        "refund", "--call", f"req_{'0' * 32}", "--credits", "1", *WHY
    )


def test_a_reference_of_something_else_is_refused(organization: Organization) -> None:
    done(organization, "credit", "5")
    of = ("--organization", organization.slug, "--credits", "6")
    assert "stands for something else" in refused(
        "credit", *of, "--reference", "credit 5", *WHY
    )


@pytest.mark.parametrize("left_out", ["--reason", "--reference", "--credits"])
def test_all_that_is_needed_is_asked_for(
    organization: Organization, left_out: str
) -> None:
    given = {"--reason": "r", "--reference": "1", "--credits": "1"}
    del given[left_out]
    options = (part for each in given.items() for part in each)
    of = ("--organization", organization.slug)
    assert left_out in refused("credit", *of, *options)
