"""`manage.py bounds`: what is paused and what was learned, and the operator's word."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from billing import holds
from billing.models import LearnedBound, Pause
from billing.values.orders import CREDIT, Settle, Usage
from portal.models import ApiKey, AuditEvent, Organization, User
from portal.operator import bounds
from portal.tasks import tell_operator
from tests.support import cast
from tests.support.portal.doubted import make_call

pytestmark = [pytest.mark.django_db, pytest.mark.once]
WHY = "the tariff was raised"


@pytest.fixture
def key(organization: Organization, alice: User) -> ApiKey:
    return cast.make_key(organization, alice)[0]


def said(*options: str) -> str:
    output = StringIO()
    call_command("bounds", *options, stdout=output)
    return output.getvalue()


def refused(*options: str) -> str:
    """What the refusal says; it changed nothing."""
    before = (*Pause.objects.values(), *LearnedBound.objects.values())
    events = AuditEvent.objects.count()
    with pytest.raises(CommandError) as caught:
        said(*options)
    assert (*Pause.objects.values(), *LearnedBound.objects.values()) == before
    assert AuditEvent.objects.count() == events
    return str(caught.value)


def overrun(key: ApiKey, cost: int) -> None:
    """A video that was held for at 30 credits and cost more."""
    hold_id = make_call(key)[4:]
    usage = Usage("upstream", cost * CREDIT, cost * CREDIT)
    holds.commit([Settle(hold_id, key.organization.account_id, usage)])


def test_no_news_is_good_news(key: ApiKey) -> None:
    assert said().split("\n\n") == [
        "Nothing is paused.",
        "No call has cost more than was held.\n",
    ]
    assert json.loads(said("--json")) == {"paused": [], "learned": []}


def test_what_was_learned_is_listed(key: ApiKey) -> None:
    overrun(key, 105)
    [row] = json.loads(said("--json"))["learned"]
    learned = LearnedBound.objects.get()
    assert row == {
        "id": f"bound_{learned.id}",
        "operation": "videos.generations",
        "model": "video",
        "shape": "plain",
        "bound_credits": "67.108864",
        "times": "3.5",
        "overruns": "1",
        "borne_credits": "0",
        "latest": learned.learned_at.isoformat(timespec="seconds"),
    }
    assert "video" in said()


def test_both_pauses_are_listed_told_and_released(key: ApiKey) -> None:
    overrun(key, 2300)
    paused = json.loads(said("--json"))["paused"]
    assert [(row["of"], row["borne_credits"]) for row in paused] == [
        ("videos.generations video", "1300"),
        ("acme", "1300"),
    ]
    assert tell_operator() == 2
    assert tell_operator() == 0
    told = AuditEvent.objects.filter(action="bounds.pause").order_by("id")
    assert [event.organization for event in told] == [None, key.organization]
    assert {event.actor_label for event in told} == {"gateway"}

    for row in paused:
        output = said("--release", row["id"], "--reason", WHY)
        assert output == f"{row['of']} goes on: {row['id']} is released.\n"
    assert "Nothing is paused." in said()
    released = AuditEvent.objects.filter(action="bounds.release").order_by("id")
    assert [event.target for event in released] == [row["id"] for row in paused]
    assert {event.detail["reason"] for event in released} == {WHY}


def test_a_learned_bound_is_forgotten(key: ApiKey) -> None:
    overrun(key, 105)
    bound = f"bound_{LearnedBound.objects.get().id}"
    row = json.loads(said("--forget", bound, "--reason", WHY, "--json"))
    assert (row["id"], row["times"]) == (bound, "3.5")
    assert not LearnedBound.objects.exists()
    event = AuditEvent.objects.get(action="bounds.forget")
    assert (event.target, event.detail["factor_ppb"]) == (bound, 3_500_000_000)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--release", "pause_1"), "Say why"),
        (("--forget", "bound_1", "--reason", " "), "Say why"),
        (("--reason", WHY), "--reason belongs to"),
        (("--release", "pause_1", "--reason", WHY), "pause_1 does not stand"),
        (("--forget", "bound_1", "--reason", WHY), "There is no bound_1"),
        (("--release", "bound_1", "--reason", WHY), "is no pause_ and a number"),
        (("--forget", "acme", "--reason", WHY), "is no bound_ and a number"),
        (("--release", "pause_1", "--reason", "a\0b"), "printable"),
        (("--release", "pause_1", "--forget", "bound_1"), "not allowed with"),
    ],
)
def test_nonsense_is_refused(key: ApiKey, options: tuple[str, ...], words: str) -> None:
    assert words in refused(*options)


def test_a_pause_is_told_of_once_by_whoever_comes_first(key: ApiKey) -> None:
    overrun(key, 2300)
    assert bounds.tell() == 2
    assert Pause.objects.filter(told_at=None).count() == 0
