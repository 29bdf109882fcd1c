"""`manage.py doubts`: what is in doubt, and how the operator's word ends it."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from billing import holds
from billing.models import Account, Hold, UsageRecord
from billing.reports.balance import balance_of
from billing.values import clock
from billing.values.orders import CREDIT, Release, Settle, Usage
from billing.verification.report import verify
from portal.models import ApiKey, AuditEvent, Organization, User
from tests.support import cast
from tests.support.ledger.payers import calls_of
from tests.support.portal import statements
from tests.support.portal.doubted import make_call, make_doubt

pytestmark = [pytest.mark.django_db, pytest.mark.once]

WHY = "the upstream's invoice of May, line 7"


@pytest.fixture
def key(organization: Organization, alice: User) -> ApiKey:
    return cast.make_key(organization, alice)[0]


def said(*options: str) -> str:
    output = StringIO()
    call_command("doubts", *options, stdout=output)
    return output.getvalue()


def settled(request_id: str, credits: str) -> str:
    return said("--settle", request_id, "--credits", credits, "--reason", WHY)


def released(request_id: str) -> str:
    return said("--release", request_id, "--reason", WHY)


def refused(*options: str) -> str:
    """What the refusal says; it changed nothing, and it exits with 1."""
    before = list(Hold.objects.order_by("id").values_list("id", "state", "changed_at"))
    events = AuditEvent.objects.count()
    with pytest.raises(CommandError) as caught:
        said(*options)
    assert caught.value.returncode == 1
    after = list(Hold.objects.order_by("id").values_list("id", "state", "changed_at"))
    assert (after, AuditEvent.objects.count()) == (before, events)
    return str(caught.value)


def figures(key: ApiKey) -> tuple[int, int, int]:
    """Balance, held and available, in microcredits, of a ledger that is right."""
    assert verify().ok
    found = balance_of(key.organization.account_id)
    return found.balance_micros, found.held_micros, found.available_micros


def whole(*credits: int) -> tuple[int, ...]:
    return tuple(each * CREDIT for each in credits)


def test_nothing_in_doubt_is_good_news(key: ApiKey) -> None:
    make_call(key)
    assert said() == "No call is in doubt. All is well.\n"
    assert json.loads(said("--json")) == []


def test_doubts_are_listed_with_the_oldest_first(key: ApiKey) -> None:
    young, old = make_doubt(key, 12), make_doubt(key)
    since = clock.now() - timedelta(hours=1)
    Hold.objects.filter(id=old[4:]).update(changed_at=since)

    first, second = json.loads(said("--json"))
    assert first == {
        "id": old,
        "state": "in_doubt",
        "organization": "acme",
        "operation": "videos.generations",
        "model": "video",
        "held_credits": "30",
        "price_credits": "",
        "since": since.isoformat(timespec="seconds"),
        "reason": "upstream_lost",
        "call": old,
    }
    assert (second["id"], second["held_credits"]) == (young, "12")
    head, *lines = said().splitlines()
    assert head.split() == list(first)
    assert [line.split()[0] for line in lines] == [old, young]


@pytest.mark.parametrize(
    ("credits", "charged"), [("0", 0), ("12", 12_000_000), ("0.000001", 1)]
)
def test_settling_charges_exactly_what_is_named(
    key: ApiKey, credits: str, charged: int
) -> None:
    request_id, other = make_doubt(key), make_doubt(key, 5)
    output = settled(request_id, credits)

    left = 1000 * CREDIT - charged
    assert figures(key) == (left, 5 * CREDIT, left - 5 * CREDIT)
    usage = UsageRecord.objects.get(hold_id=request_id[4:])
    assert (usage.charged_micros, usage.upstream_micros) == (charged, charged)
    assert (usage.basis, usage.flags) == ("upstream", "operator")
    assert f"{request_id} settled: of 30 credits held, {credits} charged" in output
    assert "calls still in doubt: 1" in output
    assert [row["id"] for row in json.loads(said("--json"))] == [other]


def test_the_factor_agreed_for_the_call_applies(key: ApiKey) -> None:
    account = Account.objects.filter(id=key.organization.account_id)
    account.update(price_factor_ppm=1_500_000)
    request_id = make_doubt(key, 20)
    account.update(price_factor_ppm=9_000_000)

    settled(request_id, "10")
    assert figures(key) == whole(985, 0, 985)


def test_more_than_there_is_is_borne_by_the_operator(key: ApiKey) -> None:
    request_id = make_doubt(key)
    output = settled(request_id, "1200")

    assert figures(key) == (0, 0, 0)
    assert "1000 charged and 0 returned" in output
    assert "The operator bears 200 that acme lacks." in output
    usage = UsageRecord.objects.get(hold_id=request_id[4:])
    assert usage.flags == "operator hold_overrun"


def test_releasing_returns_the_credits_and_keeps_the_call_listed(key: ApiKey) -> None:
    request_id = make_doubt(key)
    output = released(request_id)

    assert figures(key) == whole(1000, 0, 1000)
    assert "0 charged and 30 returned" in output
    assert "acme has 1000 credits available; calls still in doubt: 0." in output
    [call] = calls_of(key.organization.account_id)
    assert (call.request_id, call.state) == (request_id, "released")
    assert (call.basis, call.flags) == ("in_doubt", "operator")


def test_json_tells_what_happened(key: ApiKey) -> None:
    request_id = make_doubt(key)
    options = ("--credits", "12.5", "--reason", WHY, "--json")
    assert json.loads(said("--settle", request_id, *options)) == {
        "id": request_id,
        "organization": "acme",
        "state": "settled",
        "held_credits": "30",
        "charged_credits": "12.5",
        "absorbed_credits": "0",
        "returned_credits": "17.5",
        "available_credits": "987.5",
        "still_in_doubt": 0,
    }


def test_who_decided_and_why_is_written_down(key: ApiKey) -> None:
    paid, free = make_doubt(key), make_doubt(key)
    settled(paid, "12.5")
    released(free)

    first, second = AuditEvent.objects.filter(action__startswith="doubt.").order_by(
        "id"
    )
    assert (first.action, first.target, first.organization) == (
        "doubt.settle",
        paid,
        key.organization,
    )
    assert first.actor_label == "manage.py doubts"
    assert first.detail == {
        "reason": WHY,
        "upstream_credits": "12.5",
        "charged_credits": "12.5",
        "absorbed_credits": "0",
        "returned_credits": "17.5",
    }
    assert (second.action, second.target) == ("doubt.release", free)
    assert (second.detail["reason"], second.detail["charged_credits"]) == (WHY, "0")
    assert second.detail["upstream_credits"] is None  # nobody knows


def test_without_an_audit_row_nothing_is_charged(key: ApiKey) -> None:
    request_id = make_doubt(key)
    full = statements.failing("portal_auditevent", OSError("disk full"))
    with full, pytest.raises(OSError, match="disk"):
        settled(request_id, "12")
    assert figures(key) == whole(1000, 30, 970)


@pytest.mark.parametrize(
    "credits",
    ["-1", "", "x", "1e3", "NaN", "inf", "0.0000001", "1,5", "٣", "9" * 11, "3001"],
)
def test_senseless_amounts_are_refused(key: ApiKey, credits: str) -> None:
    request_id = make_doubt(key)
    answer = refused("--settle", request_id, f"--credits={credits}", "--reason", WHY)
    assert "credits" in answer
    assert figures(key) == whole(1000, 30, 970)


def test_options_that_do_not_belong_together_are_refused(key: ApiKey) -> None:
    one = make_doubt(key)
    why = ("--reason", WHY)
    assert "--credits N" in refused("--settle", one, *why)
    assert "belongs to --settle" in refused("--release", one, "--credits", "1", *why)
    assert "not both" in refused("--release", one, "--settle", one, *why)
    assert "belongs to" in refused(*why)
    for empty in ((), ("--reason", ""), ("--reason", "  ")):
        assert "Say why" in refused("--release", one, *empty)
    for odd in ("a\0b", "two\nlines", "x" * 501):
        assert "printable" in refused("--release", one, "--reason", odd)


def test_ids_of_no_call_are_refused(key: ApiKey) -> None:
    one = make_doubt(key)
    for wrong in ("", "7", one[4:], one.upper(), f"{one}0", f"{one}\n"):
        assert "is no request id" in refused("--release", wrong, "--reason", WHY)
    nobody = f"req_{uuid.uuid4().hex}"
    assert f"No call has the request id {nobody}" in refused(
        "--settle", nobody, "--credits", "1", "--reason", WHY
    )


def test_a_call_that_is_over_or_runs_is_refused_with_how_it_stands(
    key: ApiKey,
) -> None:
    account_id = key.organization.account_id
    running, late, settled_here, by_rule = (
        make_call(key),
        make_doubt(key),
        make_doubt(key),
        make_doubt(key),
    )
    free = make_doubt(key)
    settled(settled_here, "3")
    holds.commit(
        [
            Settle(late[4:], account_id, Usage("upstream", 7 * CREDIT)),
            Release(free[4:], account_id, "upstream_refused"),
        ]
    )
    holds.sweep(in_doubt_after=timedelta(0))

    for request_id, words in {
        running: ["it still runs"],
        late: ["was settled at", "7 credits charged (basis upstream)"],
        settled_here: ["by the operator, 3 credits charged"],
        by_rule: ["by the rule for doubts", f"doubts --charge {by_rule} --credits N"],
        free: ["was released at", "(upstream_refused)"],
    }.items():
        for ending in (
            ["--release", request_id],
            ["--settle", request_id, "--credits", "1"],
        ):
            answer = refused(*ending, "--reason", WHY)
            assert request_id in answer
            assert not [word for word in words if word not in answer]
    assert figures(key) == whole(990, 30, 960)


def test_a_late_answer_that_is_faster_stands(key: ApiKey) -> None:
    request_id = make_doubt(key)
    late = Settle(
        request_id[4:], key.organization.account_id, Usage("upstream", 7 * CREDIT)
    )
    # The operation has read the hold, in doubt, and has not written yet.
    overtaking = statements.after_first("billing_hold", lambda: holds.commit([late]))
    with overtaking, pytest.raises(CommandError, match="7 credits charged"):
        settled(request_id, "12")
    assert not AuditEvent.objects.filter(action="doubt.settle").exists()
