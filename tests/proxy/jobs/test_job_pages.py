"""Pages of jobs: what they cost and hold, whose they are, and nobody else's."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.test import Client
from django.urls import reverse

from billing import holds
from billing.values import clock
from billing.values.orders import CREDIT, Place, Settle, Usage
from portal.models import ApiKey, Organization, Role, User
from proxy.models import Job, JobState
from tests.support.cast import make_key, make_member, make_organization
from tests.support.portal import pages

pytestmark = pytest.mark.once
URL = "https://storage.example/made.mp4"


def make_job(key: ApiKey, **of: object) -> Job:
    """One that the upstream works on, with its hold."""
    hold_id = uuid4()
    place = Place(
        hold_id=hold_id.hex,
        account_id=key.organization.account_id,
        spender_id=key.spender_id,
        bound_micros=60 * CREDIT,
        operation="videos.generations",
        model="fal/veo",
        due_at=clock.now() + timedelta(days=1),
    )
    holds.commit([place])
    values: dict[str, object] = {
        "state": JobState.PROCESSING,
        "progress": 40,
        "upstream_id": "up-7",
        "estimated_credits": 50,
        "next_poll_at": clock.now(),
    }
    return Job.objects.create(
        id=hold_id,
        account_id=place.account_id,
        spender_id=place.spender_id,
        operation=place.operation,
        model=place.model,
        mode="job",
        bound_micros=place.bound_micros,
        terms={},
        created_at=clock.now(),
        **(values | of),
    )


def finish(job: Job, *, made: object) -> None:
    reply = json.dumps({"outputData": made})
    usage = Usage("upstream", 37 * CREDIT)
    holds.commit([Settle(job.id.hex, job.account_id, usage)])
    now = clock.now()
    Job.objects.filter(id=job.id).update(
        state=JobState.COMPLETED, reply=reply, finished_at=now, next_poll_at=None
    )


@pytest.fixture
def key(organization: Organization, alice: User) -> ApiKey:
    return make_key(organization, alice, "server")[0]


def look(client: Client, user: User, path: str = "") -> pages.Page:
    client.force_login(user)
    page = pages.read(client.get(f"/o/acme/jobs/{path}"))
    assert not pages.misplaced(page)
    return page


def test_a_job_that_runs_shows_progress_estimate_and_hold(
    client: Client, alice: User, key: ApiKey
) -> None:
    job = make_job(key)
    page = look(client, alice)
    assert "processing 40 % videos.generations fal/veo server" in page.text
    assert "50 60 just now —" in page.text
    text = look(client, alice, f"{job.public_id}/").text
    assert "The upstream works on it." in text
    assert "60, since just now" in text
    assert f"/o/acme/activity/req_{job.id.hex}/" in page.links() or text
    assert "up-7" not in text


def test_a_job_that_is_done_shows_its_charge_and_its_result_while_it_is_kept(
    client: Client, alice: User, key: ApiKey
) -> None:
    job = make_job(key)
    finish(job, made={"data": {"url": URL}})
    page = look(client, alice)
    assert URL in page.links()
    one = look(client, alice, f"{job.public_id}/")
    assert URL in one.links()
    assert f"/o/acme/activity/req_{job.id.hex}/" in one.links()
    assert "Charged 37" in one.text
    assert "nothing any more" in one.text
    answer = client.get("/o/acme/jobs/?format=csv")
    found = list(csv.DictReader(io.StringIO(answer.getvalue().decode())))
    assert [(row["estimate"], row["charged"]) for row in found] == [("50", "37")]
    Job.objects.filter(id=job.id).update(reply="")
    assert "no longer kept" in look(client, alice).text
    assert (
        "The result is no longer kept" in look(client, alice, f"{job.public_id}/").text
    )


@pytest.mark.parametrize("url", ["javascript:alert(1)", "file:///etc/passwd"])
def test_an_address_that_is_none_of_the_webs_is_no_link(
    client: Client, alice: User, key: ApiKey, url: str
) -> None:
    job = make_job(key, error="<x-pwned>")
    finish(job, made={"url": url})
    for path in ("", f"{job.public_id}/"):
        assert url not in look(client, alice, path).links()


def test_filters_narrow_the_list(client: Client, alice: User, key: ApiKey) -> None:
    job = make_job(key)
    assert job.public_id in str(look(client, alice, "?state=processing").links())
    assert "No job in this time" in look(client, alice, "?state=failed").text
    assert "No job in this time" in look(client, alice, "?model=other").text
    assert client.get("/o/acme/jobs/?state=flying").status_code == 404


def test_who_sees_which_jobs(
    client: Client,
    alice: User,
    bob: User,
    mallory: User,
    organization: Organization,
    key: ApiKey,
) -> None:
    theirs = make_job(key)
    own = make_job(make_key(organization, bob, "bobs")[0])
    foreign = make_job(make_key(make_organization("Other", alice), alice)[0])
    members = {
        role: make_member(organization, f"{role}@example.com", role)
        for role in (Role.ADMIN, Role.BILLING, Role.VIEWER)
    }

    def statuses(user: User | None) -> list[int]:
        client.logout()
        if user is not None:
            client.force_login(user)
        urls = [reverse("jobs", args=["acme"])]
        ids = (theirs.public_id, own.public_id, foreign.public_id)
        strange = (f"job_{UUID(int=5).hex}", "job_x", theirs.id.hex)
        urls += [reverse("job", args=["acme", id_]) for id_ in (*ids, *strange)]
        return [client.get(url).status_code for url in urls]

    missing = [404] * 4
    assert statuses(None) == [302] * 7
    assert statuses(mallory) == [404] * 7
    for user in (alice, members[Role.ADMIN], members[Role.VIEWER]):
        assert statuses(user) == [200, 200, 200, *missing]
    assert statuses(bob) == [200, 404, 200, *missing]
    assert statuses(members[Role.BILLING]) == [404] * 7
    assert "server" not in look(client, members[Role.VIEWER]).text
    listed = str(look(client, bob).links())
    assert own.public_id in listed
    assert theirs.public_id not in listed
