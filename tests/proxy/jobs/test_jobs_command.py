"""`manage.py jobs`: what waits, what is lost, and a friendly word when nothing does."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from billing import holds
from billing.values import clock
from billing.values.orders import CREDIT, Place
from portal.models import ApiKey, Organization, User
from proxy.models import Job
from tests.support import cast

pytestmark = [pytest.mark.once, pytest.mark.django_db]


@pytest.fixture
def key(organization: Organization, alice: User) -> ApiKey:
    return cast.make_key(organization, alice)[0]


def make_job(key: ApiKey, age: timedelta, **fields: Any) -> Job:
    """A job with a hold of 12 credits."""
    hold_id = uuid.uuid4()
    account_id = key.organization.account_id
    [placed] = holds.commit(
        [
            Place(
                hold_id=hold_id.hex,
                account_id=account_id,
                spender_id=key.spender_id,
                bound_micros=12 * CREDIT,
                operation="videos.generations",
                model="video",
                due_at=clock.now() + timedelta(days=2),
            )
        ]
    )
    assert not isinstance(placed, Exception)
    values: dict[str, Any] = {
        "upstream_id": "up-1",
        "state": "processing",
        "next_poll_at": clock.now(),
        **fields,
    }
    return Job.objects.create(
        id=hold_id,
        account_id=account_id,
        spender_id=key.spender_id,
        operation="videos.generations",
        model="video",
        mode="job",
        bound_micros=12 * CREDIT,
        terms={},
        created_at=clock.now() - age,
        **values,
    )


def said(*options: str) -> str:
    output = StringIO()
    call_command("jobs", *options, stdout=output)
    return output.getvalue()


def test_nothing_to_list_is_good_news() -> None:
    assert said() == "No job is waiting, and none is lost. All is well.\n"
    assert json.loads(said("--json")) == []


def test_unfinished_and_lost_jobs_are_listed_oldest_first(key: ApiKey) -> None:
    young = make_job(key, timedelta(minutes=1), polls=3, remark="status_unknown")
    old = make_job(key, timedelta(hours=2), state="lost", misses=5)
    done = make_job(key, timedelta(hours=3), state="completed")

    first, second = json.loads(said("--json"))
    assert [first["id"], second["id"]] == [old.public_id, young.public_id]
    assert (first["state"], first["misses"]) == ("lost", 5)
    assert 7200 <= first["age_seconds"] < 7260
    assert second == {
        "id": young.public_id,
        "organization": key.organization.slug,
        "operation": "videos.generations",
        "model": "video",
        "state": "processing",
        "age_seconds": second["age_seconds"],
        "polls": 3,
        "misses": 0,
        "held_credits": "12",
        "remark": "status_unknown",
    }
    head, *lines = said("--all").splitlines()
    assert head.split()[0] == "id"
    assert [line.split()[0] for line in lines] == [
        done.public_id,
        old.public_id,
        young.public_id,
    ]
