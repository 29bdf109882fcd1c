"""Events that did not fit: a person carries them out, or puts them aside."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from billing.models import PaymentEvent, TopUp
from portal.models import AuditEvent, Organization
from tests.support.ledger.payers import wrong_in_the_ledger
from tests.support.portal.paid_back import make_quarantined, quarantine
from tests.support.portal.stripe_events import event, post, session

pytestmark = pytest.mark.once


def said(*options: str) -> str:
    output = StringIO()
    call_command("topups", *options, stdout=output)
    return output.getvalue()


def refused(*options: str) -> str:
    before = (
        list(PaymentEvent.objects.order_by("id").values()),
        list(TopUp.objects.order_by("id").values()),
        AuditEvent.objects.count(),
    )
    with pytest.raises(CommandError) as caught:
        said(*options)
    after = (
        list(PaymentEvent.objects.order_by("id").values()),
        list(TopUp.objects.order_by("id").values()),
        AuditEvent.objects.count(),
    )
    assert after == before
    return str(caught.value)


def decided(action: str) -> list[str]:
    return [row.target for row in AuditEvent.objects.filter(action=action)]


def test_what_fits_by_now_is_carried_out_once(organization: Organization) -> None:
    found = make_quarantined(organization)
    done = said("release", found.event_id, "--reason", "the backup is back")
    assert done == f"{found.event_id} is applied.\n"
    topup = TopUp.objects.get()
    assert (topup.status, topup.taken_micros) == ("paid", 0)
    assert decided("payment_event.release") == [found.event_id]
    assert "not quarantined" in refused("release", found.event_id, "--reason", "again")
    assert "not quarantined" in refused("dismiss", found.event_id, "--reason", "again")
    assert "There are none" in said("quarantined")
    assert wrong_in_the_ledger() == []


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"amount_minor": 1}, "another amount"),
        ({"currency": "eur"}, "another currency"),
        ({"account_id": "0"}, "another organization"),
        ({"provider": "manual"}, "another provider"),
        ({"topup_id": f"topup_{'0' * 32}"}, "unknown order"),
        ({"payment_ref": ""}, "no payment"),
    ],
)
def test_what_still_does_not_fit_stays(
    organization: Organization, changes: dict[str, str], why: str
) -> None:
    found = make_quarantined(organization, **changes)
    assert why in refused("release", found.event_id, "--reason", "please")
    assert TopUp.objects.get().grant_id is None


def test_an_alarm_can_only_be_dismissed(organization: Organization) -> None:
    found = quarantine(None, "a refund failed")
    assert "only be dismissed" in refused("release", found.event_id, "--reason", "x")
    told = json.loads(said("dismiss", found.event_id, "--reason", "seen", "--json"))
    assert told["state"] == "dismissed"
    assert decided("payment_event.dismiss") == [found.event_id]


def test_what_was_dismissed_stays_so_when_it_comes_again(topup: TopUp) -> None:
    told = event(session(topup, amount_total=1))
    assert post(told) == 200
    said("dismiss", "evt_1", "--reason", "a try")
    assert post(told) == 200
    assert PaymentEvent.objects.get().state == "dismissed"
    assert "There are none" in said("quarantined")


@pytest.mark.parametrize(
    "options",
    [
        ("release", "evt_none", "--reason", "x"),
        ("dismiss", "evt_none", "--reason", "x"),
        ("release", "MINE", "--reason", " "),
        ("dismiss", "MINE", "--reason", "x" * 501),
    ],
)
def test_bad_words_change_nothing(
    organization: Organization, options: tuple[str, ...]
) -> None:
    name = make_quarantined(organization).event_id
    refused(*(name if option == "MINE" else option for option in options))
