"""`manage.py topups`: what the operator lists, approves and refuses."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from billing.models import TopUp
from portal.models import AuditEvent, Organization
from tests.support.portal.bought import make_topup
from tests.support.portal.stripe_events import event, post, session

pytestmark = pytest.mark.once


def said(*options: str) -> str:
    output = StringIO()
    call_command("topups", *options, stdout=output)
    return output.getvalue()


def refused(*options: str) -> str:
    rows = list(TopUp.objects.order_by("id").values())
    events = AuditEvent.objects.count()
    with pytest.raises(CommandError) as caught:
        said(*options)
    assert list(TopUp.objects.order_by("id").values()) == rows
    assert AuditEvent.objects.count() == events
    return str(caught.value)


def test_a_transfer_is_listed_and_approved_once(organization: Organization) -> None:
    assert "There are none" in said("list")
    topup = make_topup(organization)
    [row] = json.loads(said("list", "--json"))
    assert (row["id"], row["organization"]) == (topup.public_id, "acme")
    assert (row["credits"], row["price"]) == ("1000", "10.00 USD")
    for _ in range(2):
        done = said("approve", topup.public_id, "--reference", "bank 1")
        assert done == f"{topup.public_id} is paid.\n"
    [written] = AuditEvent.objects.filter(action="topup.paid")
    assert written.actor_label == "manage.py topups"
    assert "There are none" in said("list")


def test_a_transfer_is_refused_with_a_reason(organization: Organization) -> None:
    topup = make_topup(organization)
    assert "is failed" in said("refuse", topup.public_id, "--reason", "nothing came")
    assert TopUp.objects.get().reason == "nothing came"
    refused("approve", topup.public_id, "--reference", "bank 1")


@pytest.mark.parametrize(
    "options",
    [
        ("approve", "topup_7", "--reference", "bank 1"),
        ("approve", f"topup_{'0' * 32}", "--reference", "bank 1"),
        ("approve", "MINE", "--reference", " "),
        ("approve", "MINE", "--reference", "x" * 201),
        ("approve", "MINE", "--reference", "a\nb"),
        ("refuse", "MINE", "--reason", " "),
        ("refuse", f"topup_{'0' * 32}", "--reason", "no"),
    ],
)
def test_bad_words_change_nothing(organization: Organization, options: Any) -> None:
    name = make_topup(organization).public_id
    refused(*(name if option == "MINE" else option for option in options))


def test_one_transfer_pays_one_order(organization: Organization) -> None:
    first, second = (make_topup(organization).public_id for _ in range(2))
    said("approve", first, "--reference", "bank 1")
    assert "another top-up" in refused("approve", second, "--reference", "bank 1")


def test_what_was_quarantined_is_listed(topup: TopUp) -> None:
    assert post(event(session(topup, amount_total=1))) == 200
    output = StringIO()
    with pytest.raises(SystemExit) as exit_:
        call_command("topups", "quarantined", "--json", stdout=output)
    assert exit_.value.code == 1
    [row] = json.loads(output.getvalue())
    assert (row["why"], row["names"]) == ("another amount", topup.public_id)
