"""The page of one request: its story, its entries, and whose it is."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.test import Client

from billing import budgets, corrections, envelopes, holds
from billing.models import Spender
from billing.models.budget import Level, Window
from billing.models.correction import CorrectionKind
from billing.reports import open_runs
from billing.values import clock
from billing.values.ids import new_id
from billing.values.orders import (
    CREDIT,
    AttemptMark,
    Doubt,
    Place,
    Release,
    Settle,
    Usage,
)
from portal.models import ApiKey, Organization, Role, User
from tests.support.cast import make_call, make_key, make_member, make_organization
from tests.support.portal import pages

pytestmark = pytest.mark.once


@pytest.fixture
def key(organization: Organization, alice: User) -> ApiKey:
    return make_key(organization, alice, "server")[0]


def place(key: ApiKey, **of: object) -> Place:
    values: dict[str, object] = {
        "hold_id": new_id(),
        "account_id": key.organization.account_id,
        "spender_id": key.spender_id,
        "bound_micros": 5 * CREDIT,
        "operation": "chat",
        "model": "openai/gpt-4o",
        "due_at": clock.now() + timedelta(minutes=10),
        "lease_id": uuid4().hex,
    }
    return Place(**(values | of))  # type: ignore[arg-type]


def settle(order: Place, usage: Usage) -> None:
    holds.commit([Settle(order.hold_id, order.account_id, usage)])


def look(client: Client, user: User, hold_id: str, slug: str = "acme") -> str:
    client.force_login(user)
    answer = client.get(f"/o/{slug}/activity/req_{hold_id}/")
    assert answer.status_code == 200
    page = pages.read(answer)
    assert not pages.misplaced(page)
    return page.text


def test_a_charged_call_tells_its_whole_story(
    client: Client, alice: User, key: ApiKey
) -> None:
    order = place(key, client="openai-python", client_version="3.1", session="s-1")
    holds.commit([order])
    parts = {"tokens": 2 * CREDIT, "search": CREDIT}
    usage = Usage(
        "upstream",
        3 * CREDIT,
        upstream_micros=3 * CREDIT,
        prompt_tokens=40,
        completion_tokens=2,
        components=parts,
        duration_ms=850,
        flags=("client_gone",),
    )
    settle(order, usage)
    text = look(client, alice, order.hold_id)
    # One after the other, with what it moved.
    steps = ("Received", "Credits held", "Sent to the upstream", "Answered 850 ms")
    ends = ("Charged", "3 credits", "Given back", "2 credits")
    places = [text.index(step) for step in (*steps, *ends)]
    assert places == sorted(places)
    assert "the moment itself is not kept" in text
    for said in (
        *("openai-python 3.1", "s-1", "40 in, 2 out", "server", "alice@example.com"),
        *("search 1 tokens 2", "The upstream named the price."),
        # Its entry: the balance before it was 1,000.
        *("charged −3 997", "3 of purchase #"),
        *("client_gone : The client left before the end", "None but the organization"),
        "Not known: which requests were sent again",
    ):
        assert said in text, said


def test_an_end_for_nothing_says_why_and_what_helps(
    client: Client, alice: User, key: ApiKey
) -> None:
    order = place(key)
    holds.commit([order])
    holds.commit([Release(order.hold_id, order.account_id, "upstream_429", None)])
    text = look(client, alice, order.hold_id)
    assert "upstream_429 : The upstream is at its rate limit" in text
    assert "Send it again; nothing was charged." in text
    assert "None: nothing was charged." in text


def test_a_doubt_and_a_running_call_have_no_charge_yet(
    client: Client, alice: User, key: ApiKey
) -> None:
    running, lost = place(key), place(key)
    holds.commit([running, lost])
    holds.commit([Doubt(lost.hold_id, lost.account_id, "upstream_timeout")])
    assert "It has not ended yet." in look(client, alice, running.hold_id)
    text = look(client, alice, lost.hold_id)
    assert "Nobody knows yet what the upstream did" in text
    assert "Do not send it again blindly" in text
    assert "Charged —" in text


def test_a_refund_is_in_the_story_and_in_the_charge(
    client: Client, alice: User, key: ApiKey
) -> None:
    hold_id = make_call(key, charged=3)
    corrections.post(
        UUID(hold_id), CorrectionKind.REFUND, CREDIT, reference="r", reason="sorry"
    )
    text = look(client, alice, hold_id)
    assert "Charged 2 credits; 3 when it ended" in text
    assert "It is a refund." in text
    assert "given back +1 998" in text


def test_the_limits_it_counts_in_and_the_run_that_paid_are_named(
    client: Client, alice: User, key: ApiKey
) -> None:
    of = budgets.Subject(Level.KEY, spender_id=key.spender_id)
    account_id = key.organization.account_id
    budgets.set_limit(account_id, of, Window.DAY, 90 * CREDIT, counts_spend_so_far=True)
    until = clock.now() + timedelta(hours=1)
    run = envelopes.open_envelope(
        uuid4(), key.spender_id, 20 * CREDIT, expires_at=until, label="night"
    )
    key.spender = Spender.objects.get(id=run.spender_id)
    key.spender_id = run.spender_id
    hold_id = make_call(key, charged=3)
    text = look(client, alice, hold_id)
    assert "key server day from" in text
    assert "all 90 3" in text
    assert f"night env_{run.envelope_id.hex} (17 of 20 credits left)" in text
    page = pages.read(client.get("/o/acme/runs/"))
    assert "night" in page.text
    assert "server alice@example.com 20 3 0 0 17 0" in page.text


def test_runs_count_what_is_inside_them(
    client: Client, bob: User, alice: User, key: ApiKey
) -> None:
    until = clock.now() + timedelta(hours=1)
    outer = envelopes.open_envelope(
        uuid4(), key.spender_id, 50 * CREDIT, expires_at=until, label="nightly"
    )
    inner = envelopes.open_envelope(
        uuid4(), outer.spender_id, 20 * CREDIT, expires_at=until, label="inner"
    )
    key.spender_id = inner.spender_id
    make_call(key, charged=4)
    lines = {run.label: run for run in open_runs.runs_of(key.organization.account_id)}
    assert lines["nightly"].used_micros == lines["inner"].used_micros == 4 * CREDIT
    assert lines["nightly"].inside_micros == lines["inner"].left_micros == 16 * CREDIT
    assert (lines["nightly"].children, lines["inner"].children) == (1, 0)
    assert lines["nightly"].left_micros == 30 * CREDIT
    client.force_login(bob)
    assert "nightly" not in pages.read(client.get("/o/acme/runs/")).text
    envelopes.close(outer.envelope_id)
    assert not open_runs.runs_of(key.organization.account_id)
    client.force_login(alice)
    assert "nightly" in pages.read(client.get("/o/acme/runs/?state=all")).text


def test_attempts_at_the_same_request_are_linked(
    client: Client, alice: User, key: ApiKey
) -> None:
    def mark(count: int) -> AttemptMark:
        digest = "5" * 32
        return AttemptMark(digest, digest, False, count, 1.0, 900)

    first = place(key, attempt=mark(0))
    holds.commit([first])
    holds.commit([Release(first.hold_id, first.account_id, "upstream_503", None)])
    second = place(key, attempt=mark(1))
    holds.commit([second])
    assert f"req_{second.hold_id} running" in look(client, alice, first.hold_id)
    assert f"req_{first.hold_id} not charged" in look(client, alice, second.hold_id)


def test_units_times_price_where_the_tariff_made_it(
    client: Client, alice: User, key: ApiKey
) -> None:
    order = place(key, operation="chat.completions")
    holds.commit([order])
    usage = Usage("computed", CREDIT, prompt_tokens=10, completion_tokens=20)
    settle(order, usage)
    text = look(client, alice, order.hold_id)
    assert "tokens in 10" in text
    assert "by the tariff of today" in text


def test_foreign_requests_and_those_of_other_members_are_not_found(
    client: Client, alice: User, bob: User, mallory: User, key: ApiKey
) -> None:
    own = make_call(make_key(key.organization, bob, "bobs")[0])
    theirs = make_call(key)
    other = make_organization("Other", alice)
    foreign = make_call(make_key(other, alice)[0])
    viewer = make_member(key.organization, "v@example.com", Role.VIEWER)

    def status(user: User, name: str) -> int:
        client.force_login(user)
        return client.get(f"/o/acme/activity/{name}/").status_code

    assert status(bob, f"req_{own}") == 200
    for user, name in (
        (bob, f"req_{theirs}"),
        (bob, f"req_{uuid4().hex}"),
        (alice, f"req_{foreign}"),
        (alice, f"req_{theirs[:-1]}"),
        (alice, "req_" + "x" * 32),
        (alice, f"req_{theirs}".upper()),
        (mallory, f"req_{theirs}"),
    ):
        assert status(user, name) == 404, name
    assert status(viewer, f"req_{theirs}") == 200
    text = look(client, viewer, theirs)
    assert "server" not in text
    assert "alice@example.com" not in text
    assert "ledger" not in text
    # Who may not see money sees the charge of their own call, and no balance.
    assert "Balance after" not in look(client, bob, own)
