"""What counts of the time before a limit costs no reading of everybody each time."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing import budgets, corrections
from billing.models.correction import CorrectionKind
from billing.verification.budgets import wrong_windows
from tests.support.ledger.clocks import Clock
from tests.support.ledger.teams import Team, counts

SPENDERS = 'FROM "billing_spender" WHERE "billing_spender"."account_id"'


def reads_of_all_spenders(found: CaptureQueriesContext) -> int:
    return sum(SPENDERS in query["sql"] for query in found)


def test_a_verification_reads_an_accounts_spenders_once(
    team: Team, clock: Clock
) -> None:
    clock.moment = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
    team.call(5)
    for level in ("organization", "project", "member", "key"):
        team.limit(100, level)
    removed = team.limit(100, window="week")
    for _ in range(3):
        clock.advance(days=1)
        team.call(5)
    budgets.remove(removed.id)
    with CaptureQueriesContext(connection) as found:
        assert list(wrong_windows()) == []
    assert reads_of_all_spenders(found) == 1


def test_a_verification_of_later_windows_reads_no_spender(
    team: Team, clock: Clock
) -> None:
    team.limit(100, counts_spend_so_far=False)
    removed = team.limit(100, "project")
    team.call(5)
    budgets.remove(removed.id)
    with CaptureQueriesContext(connection) as found:
        assert list(wrong_windows()) == []
    assert reads_of_all_spenders(found) == 0


def test_a_correction_reads_whom_it_concerns(team: Team) -> None:
    """It is done under the lock that every call of the account waits for."""
    hold_id = team.run(50).call(30)
    limits = [team.limit(100, level) for level in ("organization", "project", "key")]
    with CaptureQueriesContext(connection) as found:
        corrections.post(
            UUID(hold_id), CorrectionKind.REFUND, 10, reference="1", reason="goodwill"
        )
    assert reads_of_all_spenders(found) == 0
    assert [spent for spent, _ in map(counts, limits)] == [20] * 3
