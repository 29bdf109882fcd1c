"""Who called: read with the hold, kept on it, written to its usage record and sums."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from billing import corrections, spenders
from billing.models import Correction, Hold, Spender, Unit, UsageRecord, UsageRollup
from billing.models.account import UnitKind
from billing.models.caller import CALLER
from billing.models.correction import CorrectionKind
from billing.values.errors import LedgerError, SpenderClosed
from tests.support.ledger.clocks import Clock
from tests.support.ledger.payers import Payer, wrong_in_the_ledger

CALLING: dict[str, Any] = {
    "client": "Claude Code",
    "client_version": "2.0.1",
    "session": "run 7",
}


@dataclass
class Team:
    """A customer's key of project `search`, held by bob."""

    customer: Payer
    project: Unit
    holder: Unit
    spender: Spender

    def hold(self, bound: int = 10, **particulars: Any) -> str:
        spender_id = self.spender.id
        return self.customer.hold(bound, spender_id=spender_id, **particulars)


@pytest.fixture
def team(customer: Payer) -> Team:
    account_id = customer.account_id
    project = spenders.open_unit(account_id, UnitKind.PROJECT, "search")
    holder = spenders.open_unit(account_id, UnitKind.MEMBER, "bob@example.com")
    spender = spenders.open_spender(
        account_id, "laptop", project_id=project.id, holder_id=holder.id
    )
    return Team(customer, project, holder, spender)


def caller_of(row: object) -> dict[str, Any]:
    return {name: getattr(row, name) for name in CALLER}


def test_a_call_keeps_its_caller_from_hold_to_record(team: Team) -> None:
    hold_id = team.hold(**CALLING)
    team.customer.settle(hold_id, 7)

    expected = {
        "project_id": team.project.id,
        "holder_id": team.holder.id,
        "spender_label": "laptop",
        "project_label": "search",
        "holder_label": "bob@example.com",
        **CALLING,
    }
    assert caller_of(Hold.objects.get(id=hold_id)) == expected
    assert caller_of(UsageRecord.objects.get(hold_id=hold_id)) == expected
    assert wrong_in_the_ledger() == []


def test_names_stay_as_they_were_when_the_call_was_held(team: Team) -> None:
    hold_id = team.hold()
    spenders.rename_unit(team.project.id, "find")
    spenders.rename_unit(team.holder.id, "robert@example.com")
    team.customer.settle(hold_id, 7)
    later = team.hold()
    team.customer.settle(later, 7)

    before, after = (UsageRecord.objects.get(hold_id=each) for each in (hold_id, later))
    assert (before.project_label, before.holder_label) == ("search", "bob@example.com")
    assert (after.project_label, after.holder_label) == ("find", "robert@example.com")
    # It is still the same project: its sums are one row.
    assert UsageRollup.objects.get(project=team.project).requests == 2
    assert wrong_in_the_ledger() == []


def test_a_spender_below_no_unit_has_only_its_own_name(customer: Payer) -> None:
    customer.call(7)

    record = UsageRecord.objects.get(account_id=customer.account_id)
    assert record.spender_label.startswith("customer ")
    assert (record.project_id, record.holder_id) == (None, None)
    assert (record.project_label, record.holder_label) == ("", "")


def test_calls_without_units_share_one_row_of_sums(customer: Payer) -> None:
    customer.call(7)
    customer.call(5)

    (row,) = UsageRollup.objects.filter(account_id=customer.account_id)
    assert (row.requests, row.charged_micros, row.project_id) == (2, 12, None)


def test_sums_are_apart_by_program_and_not_by_its_version(team: Team) -> None:
    newer = CALLING | {"client_version": "2.0.2"}
    other: dict[str, Any] = {"client": "curl"}
    for program in (CALLING, newer, other):
        team.customer.settle(team.hold(**program), 7)

    rows = UsageRollup.objects.filter(account_id=team.customer.account_id)
    assert dict(rows.values_list("client", "requests")) == {"Claude Code": 2, "curl": 1}
    assert {(row.project_id, row.holder_id) for row in rows} == {
        (team.project.id, team.holder.id)
    }


def test_a_correction_counts_where_its_call_did(team: Team) -> None:
    hold_id = team.hold(**CALLING)
    team.customer.settle(hold_id, 7)
    corrections.post(
        UUID(hold_id), CorrectionKind.REFUND, 3, reference="1", reason="goodwill"
    )

    (row,) = UsageRollup.objects.filter(account_id=team.customer.account_id)
    assert (row.client, row.charged_micros) == ("Claude Code", 4)
    word = Correction.objects.get(hold_id=hold_id)
    assert (word.project_id, word.holder_id) == (team.project.id, team.holder.id)
    assert wrong_in_the_ledger() == []


def test_a_call_released_in_doubt_keeps_its_caller(team: Team, clock: Clock) -> None:
    """The row that is listed says whose call it was."""
    hold_id = team.hold(**CALLING)
    team.customer.release(hold_id)

    assert Hold.objects.get(id=hold_id).holder_label == "bob@example.com"
    assert wrong_in_the_ledger() == []


@pytest.mark.parametrize(
    ("column", "length"), [("client", 64), ("client_version", 32), ("session", 64)]
)
def test_a_name_too_long_is_refused_at_the_door(
    team: Team, column: str, length: int
) -> None:
    """PostgreSQL would fail the whole batch for it, and SQLite would store it."""
    team.hold(10, **{column: "x" * length})
    refused = team.customer.place(1, **{column: "x" * (length + 1)})
    assert type(refused) is LedgerError
    assert "too long" in str(refused)


def test_a_unit_of_another_organization_lets_nobody_spend(
    team: Team, stranger: Payer
) -> None:
    foreign = spenders.open_unit(stranger.account_id, UnitKind.PROJECT, "theirs")
    Spender.objects.filter(id=team.spender.id).update(project=foreign)

    refused = team.customer.place(1, spender_id=team.spender.id)
    assert isinstance(refused, SpenderClosed)
