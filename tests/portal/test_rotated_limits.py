"""A rotated key does not shake off what limits it, nor what it has begun."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.utils import timezone

from billing import envelopes
from billing.budgets import Subject, chain_of
from billing.models.budget import Level
from billing.runs import Run
from billing.values.errors import UnknownHold
from billing.values.orders import CREDIT
from portal.models import ApiKey, AuditEvent, Organization, User
from portal.tenants import key_edits, key_format, keys, runs
from portal.tenants.errors import KeyNotActive, OwnLimit
from portal.tenants.runs import Asking, Wanted
from tests.support.cast import OPERATOR, actor_of, make_call, make_key
from tests.support.portal.limited import make_budget

HOUR = timedelta(hours=1)


def limit(organization: Organization, key: ApiKey, credits: int, **more: Any) -> int:
    return make_budget(
        organization, Subject(Level.KEY, spender_id=key.spender_id), credits, **more
    )


def rotated(key: ApiKey, overlap: timedelta = HOUR) -> ApiKey:
    again, _ = keys.rotate(key, overlap, actor=OPERATOR)
    return again


def figures(key: ApiKey) -> tuple[int, int]:
    """Limit and left of the one limit it has, in credits."""
    [link] = chain_of(key.spender_id)
    return link.limit_micros // CREDIT, link.left_micros // CREDIT


@pytest.mark.parametrize("overlap", [HOUR, timedelta(0)], ids=["overlap", "at once"])
def test_a_rotated_key_has_its_limit_and_what_was_spent(
    organization: Organization, alice: User, overlap: timedelta
) -> None:
    key, _ = make_key(organization, alice)
    limit(organization, key, 10)
    make_call(key, charged=4)
    again = rotated(key, overlap)
    assert figures(again) == (10, 6)
    make_call(again, charged=3)
    assert figures(rotated(again, overlap)) == figures(key) == (10, 3)


def test_its_limit_is_changed_through_any_of_its_secrets(
    organization: Organization, bob: User
) -> None:
    key, _ = make_key(organization, bob)
    first = limit(organization, key, 10)
    again = rotated(key)
    assert limit(organization, again, 20) == first
    assert figures(key) == figures(again) == (20, 20)
    event = AuditEvent.objects.filter(action="budget.set").latest("id")
    assert event.detail["before_credits"] == "10"


def test_nobody_raises_their_own_limit_by_rotating(
    organization: Organization, alice: User
) -> None:
    key, _ = make_key(organization, alice)
    limit(organization, key, 10)
    again = rotated(key)
    with pytest.raises(OwnLimit):
        limit(organization, again, 20, actor=actor_of(alice))
    assert figures(again) == (10, 10)


def test_the_command_means_the_key(organization: Organization, alice: User) -> None:
    key, _ = make_key(organization, alice)
    limit(organization, key, 10)
    again = rotated(key)
    out = StringIO()
    call_command(
        *("budget", "--organization=acme", "--level=key", "--name=laptop"),
        *("--window=day", "--credits=30", "--json"),
        stdout=out,
    )
    [row] = json.loads(out.getvalue())
    assert (row["name"], row["limit_credits"]) == ("laptop", "30")
    assert figures(again) == (30, 30)


# --- runs --------------------------------------------------------------------------


def open_run(key: ApiKey, credits: int = 5) -> tuple[Run, ApiKey]:
    run, own, _ = runs.open_run(
        Wanted(credits * CREDIT, timezone.now() + 9 * HOUR),
        uuid4(),
        key_format.generate(),
        asking=Asking(key.id),
    )
    return run, own


def test_both_secrets_may_do_to_a_run_what_either_may(
    organization: Organization, alice: User
) -> None:
    key, _ = make_key(organization, alice)
    run, _ = open_run(key)
    again = rotated(key)
    later, _ = open_run(again)
    for asking in (Asking(key.id, key.spender_id), Asking(key.id)):
        found, _ = runs.page(asking, after=None, count=9)
        ids = [each.envelope_id for each in found]
        assert ids == [later.envelope_id, run.envelope_id]
        assert runs.look(run.envelope_id, asking=asking).left_micros == 5 * CREDIT
    assert runs.close(run.envelope_id, asking=Asking(again.id)).status == "closed"
    stranger, _ = make_key(organization, alice, "other")
    with pytest.raises(UnknownHold):
        runs.look(later.envelope_id, asking=Asking(stranger.id))


def test_a_run_ends_with_the_secret_that_opened_it(
    organization: Organization, alice: User
) -> None:
    key, _ = make_key(organization, alice)
    limit(organization, key, 10)
    open_run(key)
    again = rotated(key)
    open_run(again, 3)
    assert figures(again) == (10, 2)
    assert envelopes.expire_due() == 0
    old = key.secrets.get(spender=key.spender_id)
    key_edits.end_secret(old, actor=actor_of(alice))
    assert figures(again) == (10, 7)
    key_edits.disable(key, actor=actor_of(alice))
    assert figures(again) == (10, 10)


def test_the_key_of_a_run_is_not_rotated_into_one_without(
    organization: Organization, alice: User
) -> None:
    key, _ = make_key(organization, alice)
    _, own = open_run(key)
    with pytest.raises(KeyNotActive, match="run"):
        keys.rotate(own, HOUR, actor=OPERATOR)
    assert ApiKey.objects.filter(organization=organization).count() == 2
