"""A key that somebody else holds now: spend before stays where it was, spend after
counts to the new holder."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection

from billing import spenders
from billing.models import Hold, UsageRollup
from billing.models.account import UnitKind
from billing.models.budget import Budget
from tests.support.ledger.payers import wrong_in_the_ledger
from tests.support.ledger.teams import Team, counts, outcome


def of_heir(team: Team) -> Team:
    """Another key of the project, that a colleague holds."""
    return team.colleague(same_holder=False)


def hand_over(team: Team, heir: Team) -> None:
    spenders.hand_over(team.account_id, [team.spender_id], heir.holder_id)


@pytest.mark.parametrize("level", ["member", "member_in_project"])
def test_before_stays_and_after_counts_to_the_new_holder(
    team: Team, level: str
) -> None:
    heir = of_heir(team)
    old, new = team.limit(100, level), heir.limit(60, level)
    key = team.limit(500)
    team.call(20)
    held = team.hold(30)
    hand_over(team, heir)
    assert (counts(old), counts(new)) == ((20, 30), (0, 0))
    team.call(7)
    team.settle(held, 25)  # held under the old holder: it counts there
    assert (counts(old), counts(new), counts(key)) == ((45, 0), (7, 0), (52, 0))
    assert outcome(team, 54) == "BudgetExceeded"  # of the new holder's 60
    assert outcome(team, 53) == "Placed"
    sums = UsageRollup.objects.filter(spender_id=team.spender_id)
    assert dict(sums.values_list("holder_id", "charged_micros")) == {
        team.holder_id: 45,
        heir.holder_id: 7,
    }
    assert wrong_in_the_ledger() == []


def test_a_limit_set_later_counts_what_each_has_spent(team: Team) -> None:
    heir = of_heir(team)
    team.call(20)
    early = team.hold(10)
    hand_over(team, heir)
    team.call(7)
    team.hold(5)
    old, new = team.limit(100, "member"), heir.limit(100, "member")
    project = team.limit(100, "project")
    assert (counts(old), counts(new)) == ((20, 10), (7, 5))
    assert counts(project) == (27, 15)
    team.settle(early, 10)
    assert (counts(old), counts(new)) == ((30, 0), (7, 5))
    assert wrong_in_the_ledger() == []


def test_a_run_keeps_what_it_has_set_aside_and_spends_with_the_new_holder(
    team: Team,
) -> None:
    heir = of_heir(team)
    old, new = team.limit(200, "member"), heir.limit(50, "member")
    run = team.run(100)
    run.call(10)
    hand_over(team, heir)
    assert (counts(old), counts(new)) == ((10, 90), (0, 0))
    run.call(20)
    assert (counts(old), counts(new)) == ((30, 70), (20, 0))
    assert outcome(run, 31) == "BudgetExceeded"
    run.close()
    assert (counts(old), counts(new)) == ((30, 0), (20, 0))
    assert wrong_in_the_ledger() == []


def test_a_closed_holder_refuses_no_key_that_was_handed_over(team: Team) -> None:
    heir = of_heir(team)
    hand_over(team, heir)
    spenders.set_unit_open(team.holder_id, is_open=False)
    assert outcome(team, 5) == "Placed"
    spenders.set_unit_open(heir.holder_id, is_open=False)
    assert outcome(team, 5) == "SpenderClosed"


def test_only_the_accounts_own_holders(team: Team) -> None:
    stranger = Team.open()
    project = spenders.open_unit(team.account_id, UnitKind.PROJECT, "p")
    for unit_id in (stranger.holder_id, project.id, 0):
        with pytest.raises(ValueError, match="not this account's"):
            spenders.hand_over(team.account_id, [team.spender_id], unit_id)
    spenders.hand_over(stranger.account_id, [team.spender_id], stranger.holder_id)
    team.call(1)
    assert Hold.objects.get(account_id=team.account_id).holder_id == team.holder_id


@pytest.mark.postgres_only  # SQLite has one writer at a time
def test_a_call_at_the_same_instant_counts_to_one_of_them(committed_db: None) -> None:
    """Never one's name and the other's limit."""
    team = Team.open(credits=10_000)
    heir = of_heir(team)
    limits: dict[int | None, Budget] = {
        each.holder_id: each.limit(5_000, "member") for each in (team, heir)
    }
    start = Barrier(5)

    def calls() -> None:
        start.wait()
        for _ in range(10):
            team.call(1)
        connection.close()

    def change() -> None:
        start.wait()
        for index in range(8):
            holder = (heir, team)[index % 2].holder_id
            spenders.hand_over(team.account_id, [team.spender_id], holder)
        connection.close()

    with ThreadPoolExecutor(5) as pool:
        running = [pool.submit(calls) for _ in range(4)] + [pool.submit(change)]
        for each in running:
            each.result()
    holds = list(Hold.objects.filter(account_id=team.account_id))
    assert len(holds) == 40
    for hold in holds:
        assert [each for each, _ in hold.budgets] == [limits[hold.holder_id].id]
    assert wrong_in_the_ledger() == []
