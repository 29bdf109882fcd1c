"""How PostgreSQL finds what usage adds up: each piece of time by an index, however
little it can know of how many rows are between two moments."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from billing.models.usage_day import Cut
from billing.reports import usage_sql
from billing.reports.usage_sql import Asked, Pieces
from tests.support.ledger.payers import Payer

pytestmark = pytest.mark.postgres_only
START = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = """
INSERT INTO billing_usageday (account_id, cut, day, key_id, project_id, holder_id,
    operation, model, client, session, requests, prompt_tokens, completion_tokens,
    charged_micros)
SELECT %s, 'all', date '2026-01-01' + n %% 200, n %% 1000, 0, 0, 'chat', 'm' || n, '',
    '', 1, 1, 1, 1
FROM generate_series(1, 40000) n
"""
QUARTERS = """
INSERT INTO billing_usagerollup (account_id, spender_id, operation, model, client,
    basis, starts_at, requests, prompt_tokens, completion_tokens, price_micros,
    charged_micros, absorbed_micros)
SELECT %s, %s, 'chat', 'm', '', 'upstream',
    timestamptz '2026-01-01 00:00Z' + n * interval '15 minutes', 1, 1, 1, 1, 1, 0
FROM generate_series(1, 20000) n
"""


def plan_of(asked: Asked, pieces: Pieces) -> str:
    sql, values = usage_sql.statement(asked, pieces, None)
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {sql}", values)
        return "\n".join(row[0] for row in cursor.fetchall())


def test_no_table_is_read_as_a_whole(db: None) -> None:
    payer = Payer.open(credits=1)
    with connection.cursor() as cursor:
        cursor.execute(DAYS, [payer.account_id])
        cursor.execute(QUARTERS, [payer.account_id, payer.spender_id])
        cursor.execute("ANALYZE billing_usageday, billing_usagerollup")
    pieces = Pieces(
        days=[(0, "2026-01-05", "2026-02-20"), (1, "2026-03-01", "2026-03-01")]
    )
    for number in (3, 90, 170):  # the rests of days, far from each other
        start = START + timedelta(days=number)
        pieces.add_quarters(number, start, start + timedelta(hours=2))
    everything = Asked(payer.account_id, Cut.ALL, ["model"], {}, None)
    of_a_key = Asked(
        payer.account_id, Cut.ALL, ["model"], {"key": [7]}, [payer.spender_id]
    )
    for asked in (everything, of_a_key):
        plan = plan_of(asked, pieces)
        assert "Seq Scan on billing_usagerollup" not in plan, plan
    assert "usageday_of_key" in plan
    assert "Seq Scan on billing_usageday" not in plan.replace("billing_usagedays", "")
