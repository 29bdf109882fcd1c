"""`manage.py doubts`: prices that came too late, and doubts that were seen."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from billing import holds
from billing.models import Correction
from billing.reports.balance import balance_of
from billing.values.orders import CREDIT, Release, Settle, Usage
from billing.verification.report import verify
from portal.models import ApiKey, AuditEvent, Organization, User
from tests.support import cast
from tests.support.portal import statements
from tests.support.portal.doubted import make_call, make_doubt

pytestmark = pytest.mark.django_db

WHY = "the upstream's invoice of May, line 7"


@pytest.fixture
def key(organization: Organization, alice: User) -> ApiKey:
    return cast.make_key(organization, alice)[0]


def said(*options: str) -> str:
    output = StringIO()
    call_command("doubts", *options, stdout=output)
    return output.getvalue()


def listed() -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(said("--json"))
    return found


def refused(*options: str) -> str:
    events = AuditEvent.objects.count()
    words = list(Correction.objects.order_by("id").values())
    with pytest.raises(CommandError) as caught:
        said(*options)
    assert AuditEvent.objects.count() == events
    assert list(Correction.objects.order_by("id").values()) == words
    return str(caught.value)


def late(key: ApiKey, credits: int = 12) -> tuple[str, str]:
    """The request id of a released call, and the id of its late price."""
    request_id = make_call(key)
    account_id = key.organization.account_id
    usage = Usage("upstream", credits * CREDIT, credits * CREDIT)
    holds.commit([Release(request_id[4:], account_id, "client_gone")])
    holds.commit([Settle(request_id[4:], account_id, usage, "late")])
    return request_id, f"late_{Correction.objects.get(hold_id=request_id[4:]).id.hex}"


def closed_doubt(key: ApiKey) -> str:
    request_id = make_doubt(key)
    holds.sweep(in_doubt_after=timedelta(0))
    return request_id


def available(key: ApiKey) -> int:
    assert verify().ok
    return balance_of(key.organization.account_id).available_micros // CREDIT


def test_a_late_price_is_listed_beside_the_doubts(key: ApiKey) -> None:
    doubted = make_doubt(key)
    call, word = late(key)

    first, second = listed()
    assert (first["id"], first["state"]) == (doubted, "in_doubt")
    assert (second["id"], second["state"], second["call"]) == (word, "late", call)
    assert (second["price_credits"], second["reason"]) == ("12", "late")
    assert word in said()


def test_charging_it_takes_it_off_the_list(key: ApiKey) -> None:
    call, word = late(key)
    told = json.loads(said("--charge", word, "--reason", WHY, "--json"))

    assert told == {
        "id": call,
        "organization": "acme",
        "charged_credits": "12",
        "absorbed_credits": "0",
        "available_credits": "988",
    }
    assert listed() == []
    assert available(key) == 988
    event = AuditEvent.objects.get(action="late_word.charge")
    assert (event.target, event.organization) == (call, key.organization)
    assert (event.detail["reason"], event.detail["correction"]) == (WHY, word)
    assert "charged before" in refused("--charge", word, "--reason", WHY)


def test_dismissing_it_leaves_the_charge(key: ApiKey) -> None:
    call, word = late(key)
    assert f"{word} dismissed: {call}" in said("--dismiss", word, "--reason", WHY)

    assert listed() == []
    assert available(key) == 1000
    assert AuditEvent.objects.get(action="late_word.dismiss").target == call
    assert "dismissed" in refused("--charge", word, "--reason", WHY)


def test_a_doubt_that_ended_can_be_charged_from_the_bill(key: ApiKey) -> None:
    request_id = closed_doubt(key)
    [row] = listed()
    assert (row["id"], row["state"]) == (request_id, "closed")

    told = said("--charge", request_id, "--credits", "7.5", "--reason", WHY)
    assert f"{request_id}: 7.5 credits more charged." in told
    assert listed() == []
    assert balance_of(key.organization.account_id).available_micros == 992_500_000
    told = said("--charge", request_id, "--credits", "5", "--reason", WHY)
    assert f"{request_id}: 2.5 credits given back." in told
    assert available(key) == 995


def test_a_lower_price_says_what_the_operator_bears_less(key: ApiKey) -> None:
    request_id = make_call(key)
    usage = Usage("upstream", 1200 * CREDIT, 1200 * CREDIT)
    holds.commit([Settle(request_id[4:], key.organization.account_id, usage)])

    told = said("--charge", request_id, "--credits", "900", "--reason", WHY)
    assert f"{request_id}: 100 credits given back." in told
    assert "The operator bears 200 less." in told
    assert available(key) == 100


def test_acknowledging_ends_the_warning(key: ApiKey) -> None:
    request_id = closed_doubt(key)
    assert "IN_DOUBT" in {found.code for found in verify().findings}
    said("--acknowledge", request_id, "--reason", WHY)

    assert listed() == []
    details = [f.detail for f in verify().findings if f.code == "IN_DOUBT"]
    assert not [each for each in details if uuid.UUID(request_id[4:]).hex in each]
    assert AuditEvent.objects.get(action="doubt.acknowledge").target == request_id
    assert "before" in refused("--acknowledge", request_id, "--reason", WHY)


def test_what_makes_no_sense_is_refused(key: ApiKey) -> None:
    call, word = late(key)
    why = ("--reason", WHY)
    running = make_call(key)
    assert "late word's id" in refused("--charge", call, *why)
    assert "request id" in refused("--charge", word, "--credits", "1", *why)
    assert "late word's id" in refused("--dismiss", call, *why)
    assert "not ended" in refused("--charge", running, "--credits", "1", *why)
    assert "not in doubt" in refused("--acknowledge", call, *why)
    assert "a slip" in refused("--charge", call, "--credits", "3001", *why)
    assert "Say why" in refused("--charge", word)
    assert "not both" in refused("--charge", word, "--dismiss", word, *why)
    nobody = uuid.uuid4().hex
    assert "Nothing was said" in refused("--charge", f"late_{nobody}", *why)
    assert "No call" in refused("--charge", f"req_{nobody}", "--credits", "1", *why)
    assert available(key) == 970


def test_without_an_audit_row_nothing_is_charged(key: ApiKey) -> None:
    _, word = late(key)
    full = statements.failing("portal_auditevent", OSError("disk full"))
    with full, pytest.raises(OSError, match="disk"):
        said("--charge", word, "--reason", WHY)
    assert available(key) == 1000
    assert len(listed()) == 1
