"""What a run may not be or do, whoever closes what stands above it, and bad input."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from billing import accounts, envelopes, spenders
from billing.models import Envelope, Spender
from billing.values import clock as clocks
from billing.values import errors
from billing.values.orders import Release, Settle
from tests.support.ledger.clocks import Clock
from tests.support.ledger.payers import committed, used, wrong_in_the_ledger
from tests.support.ledger.teams import Run, Team, outcome


@pytest.mark.parametrize("at", ["key", "project", "member", "organization"])
def test_whoever_stands_above_it_is_closed_closes_it(
    team: Team, run: Run, at: str
) -> None:
    inner = run.run(10)
    match at:
        case "key":
            spenders.close(team.spender_id)
        case "project":
            spenders.set_unit_open(team.project_id, is_open=False)
        case "member":
            spenders.set_unit_open(team.holder_id, is_open=False)
        case _:
            accounts.suspend(team.account_id)
    for each in (run, inner):
        assert outcome(each, 1) in {"SpenderClosed", "AccountClosed"}
        with pytest.raises((errors.SpenderClosed, errors.AccountClosed)):
            each.run(1)
        with pytest.raises((errors.SpenderClosed, errors.AccountClosed)):
            envelopes.add_credits(each.envelope_id, 1)


def test_no_order_for_a_call_can_end_it(team: Team, run: Run) -> None:
    name, account = run.envelope_id.hex, team.account_id
    orders = (Settle(name, account, used(5)), Release(name, account, "x"))
    for order in orders:
        assert isinstance(committed(order), errors.UnknownHold)
    assert run.now() == (100, 100, 0, 0)


# --- bad input ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "micros", [0, -1, 1.5, float("nan"), "5", True, None, 10**15 + 1]
)
def test_senseless_amounts_are_refused(team: Team, run: Run, micros: Any) -> None:
    with pytest.raises(ValueError, match="amount"):
        team.run(micros)
    with pytest.raises(ValueError, match="amount"):
        envelopes.add_credits(run.envelope_id, micros)
    assert team.figures() == (1000, 100, 900)


def test_a_run_larger_than_what_there_is_is_refused_whole(team: Team) -> None:
    spenders_before = Spender.objects.count()
    with pytest.raises(errors.InsufficientCredits):
        team.run(1001)
    run = team.run(100)
    with pytest.raises(errors.EnvelopeExhausted):
        run.run(101)
    team.limit(150, "project")
    with pytest.raises(errors.BudgetExceeded):
        team.run(51)
    assert Spender.objects.count() == spenders_before + 1
    assert Envelope.objects.filter(account_id=team.account_id).count() == 1
    assert team.figures() == (1000, 100, 900)


def test_a_closed_run_has_no_children(team: Team, run: Run) -> None:
    run.close()
    with pytest.raises(errors.EnvelopeClosed):
        run.run(1)
    with pytest.raises(errors.EnvelopeClosed):
        envelopes.add_credits(run.envelope_id, 1)


@pytest.mark.parametrize(
    "terms",
    [
        {"label": "x" * 201},
        {"model_pattern": "x" * 1001},
        {"expires_at": "past"},
    ],
)
def test_senseless_terms_are_refused(team: Team, terms: dict[str, Any]) -> None:
    if "expires_at" in terms:
        terms = {"expires_at": clocks.now()}
    with pytest.raises(ValueError, match=r"\w"):
        team.run(10, **terms)
    assert team.figures() == (1000, 0, 1000)


def test_no_more_than_eight_runs_in_each_other(team: Team) -> None:
    run: Team = team
    for _ in range(envelopes.DEPTH_MAX):
        run = run.run(10)
    with pytest.raises(ValueError, match="8 runs"):
        run.run(10)
    run.call(5)
    assert wrong_in_the_ledger() == []


NOBODY = uuid.UUID(int=7)
ASKED: list[Callable[[], object]] = [
    lambda: envelopes.look(NOBODY),
    lambda: envelopes.close(NOBODY),
    lambda: envelopes.add_credits(NOBODY, 1),
]


@pytest.mark.parametrize("ask", ASKED, ids=["look", "close", "add"])
def test_what_nobody_knows_is_refused(db: None, ask: Callable[[], object]) -> None:
    with pytest.raises(errors.UnknownHold):
        ask()


@pytest.mark.parametrize(
    "verb", ["UPDATE billing_envelope SET label = 'x'", "DELETE FROM billing_envelope"]
)
def test_its_row_is_never_changed(run: Run, verb: str) -> None:
    with (
        pytest.raises(DatabaseError),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(verb)


def test_only_so_many_of_a_key_are_open(
    team: Team, run: Run, clock: Clock, settings: Any
) -> None:
    settings.ENVELOPES_OPEN_MAX = 1
    with pytest.raises(errors.TooManyRuns) as met:
        team.run(1)
    assert met.value.most == 1
    run.run(1)
    clock.advance(hours=1)  # what has expired is not open
    team.run(1)
