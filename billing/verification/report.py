"""The ledger verified: every stored figure is derived again and compared.

One pass for each stored projection, each a query that returns what is wrong. Nothing
is repaired. Warnings (`STALE_HOLD`, `IN_DOUBT`) are listed and do not fail it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from functools import partial
from itertools import chain
from typing import Any

from django.db import connection
from django.db.backends.utils import CursorWrapper

from billing.ledger import dialect
from billing.values.connection import snapshot
from billing.verification import (
    acts,
    budget_names,
    budgets,
    checkpoints,
    days,
    registry,
    statements,
)
from billing.verification.passes import ERRORS, WARNINGS

TOTALS = """
    SELECT (SELECT count(*) FROM billing_account) AS accounts,
           (SELECT count(*) FROM billing_entry) AS entries,
           (SELECT count(*) FROM billing_hold) AS holds,
           (SELECT count(*) FROM billing_hold
            WHERE state IN ('open', 'in_doubt')) AS unresolved_holds,
           count(*) AS usage_records,
           coalesce(sum(charged_micros), 0) AS charged_micros,
           coalesce(sum(absorbed_micros), 0) AS absorbed_micros,
           (SELECT coalesce(sum(amount_micros), 0) FROM billing_grant)
               AS granted_micros
    FROM billing_usagerecord"""
# A hold this long overdue means that no sweep runs.
STALE_AFTER = timedelta(minutes=5)
# Findings of one code that are listed; of more of the same, only how many they are.
FINDINGS_PER_CODE_MAX = 100
ROWS_AT_ONCE = 2000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be. `detail` names rows and amounts."""

    code: str
    severity: str
    detail: str


@dataclass(slots=True)
class Report:
    """What `verify` found; `ok` means no errors (warnings are allowed)."""

    findings: list[Finding] = field(default_factory=list)
    totals: dict[str, int] = field(default_factory=dict)
    # Of a whole verification without errors: what the next one may begin after.
    heads: list[checkpoints.Head] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not any(finding.severity == "error" for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """The JSON of `verify_ledger --json`."""
        return {
            "ok": self.ok,
            "findings": [asdict(finding) for finding in self.findings],
            "totals": self.totals,
        }


def verify(*, since_checkpoint: bool = False) -> Report:
    """Check the ledger in one snapshot: every figure, and every row that an act wrote,
    or of these only what was written since the last checkpoint.

    Raises: DatabaseError when it cannot.
    """
    report = Report()
    with snapshot(), connection.cursor() as cursor:
        errors = ERRORS | registry.passes
        for severity, passes in (("error", errors), ("warning", WARNINGS)):
            for code, sql in passes.items():
                details, more = _details(cursor, sql)
                report.findings += [Finding(code, severity, text) for text in details]
                if more:
                    report.findings.append(Finding(code, severity, f"and {more} more"))
        report.findings += _wrong_acts(since_checkpoint)
        if report.ok and not since_checkpoint:
            report.heads = checkpoints.heads()
        [totals] = _rows(cursor, TOTALS)
        report.totals = {name: int(total) for name, total in totals.items()}
    return report


def _wrong_acts(since_checkpoint: bool) -> list[Finding]:
    """Of each code as many as are listed, and how many more there are."""
    found: dict[str, list[str]] = {}
    more: Counter[str] = Counter()
    in_acts = partial(acts.wrong_acts, since_checkpoint=since_checkpoint)
    checks: tuple[registry.Check, ...] = (
        in_acts,
        budgets.wrong_windows,
        budget_names.wrong_names,
        days.wrong_days,
        statements.wrong_statements,
        *registry.checks,
    )
    for wrong in chain.from_iterable(check() for check in checks):
        listed = found.setdefault(wrong.code, [])
        if len(listed) < FINDINGS_PER_CODE_MAX:
            listed.append(wrong.detail)
        else:
            more[wrong.code] += 1
    for code, count in more.items():
        found[code].append(f"and {count} more")
    return [
        Finding(code, "error", detail)
        for code, details in found.items()
        for detail in details
    ]


def _details(cursor: CursorWrapper, sql: str) -> tuple[list[str], int]:
    """What is wrong, and how much more of it there is."""
    found = [_text(row) for row in _rows(cursor, sql)]
    more = 0
    while rest := cursor.fetchmany(ROWS_AT_ONCE):
        more += len(rest)
    return found, more


def _rows(cursor: CursorWrapper, sql: str) -> list[dict[str, Any]]:
    # By the database's clock, which stamped the holds.
    stale = [
        dialect.moment(dialect.now() - STALE_AFTER) for _ in range(sql.count("%s"))
    ]
    cursor.execute(sql, stale)
    names = [column[0] for column in cursor.description]
    found = cursor.fetchmany(FINDINGS_PER_CODE_MAX)
    return [dict(zip(names, row, strict=True)) for row in found]


def _text(row: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in row.items())
