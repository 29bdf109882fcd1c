"""The ledger verified: every stored figure is derived again and compared.

One pass for each stored projection, each a query that returns what is wrong. Nothing
is repaired. Warnings (`STALE_HOLD`, `IN_DOUBT`) are listed and do not fail it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import connection, transaction

from billing.ledger import dialect
from billing.values import clock
from billing.verification.passes import ERRORS, WARNINGS, Pass

# A hold this long overdue means that no sweep runs.
STALE_AFTER = timedelta(minutes=5)
# Findings of one code that are listed; more of the same say nothing new.
FINDINGS_PER_CODE_MAX = 100


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be. `detail` names rows and amounts."""

    code: str
    detail: str
    severity: str = "error"


@dataclass(slots=True)
class Report:
    """What `verify` found; `ok` means no errors (warnings are allowed)."""

    findings: list[Finding] = field(default_factory=list)
    totals: dict[str, int] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return not any(finding.severity == "error" for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """The JSON of `verify_ledger --json`."""
        return {
            "ok": self.ok,
            "findings": [
                {"code": f.code, "severity": f.severity, "detail": f.detail}
                for f in self.findings
            ],
            "totals": self.totals,
        }


def verify() -> Report:
    """Check the whole ledger in one snapshot. Raises: DatabaseError when it cannot."""
    report = Report()
    with snapshot():
        for check in ERRORS:
            report.findings += _findings(check, "error")
        for check in WARNINGS:
            report.findings += _findings(check, "warning")
        report.totals = _totals()
    return report


class snapshot(transaction.Atomic):
    """A transaction in which every query sees the same committed state."""

    def __init__(self) -> None:
        super().__init__(using=None, savepoint=False, durable=False)

    def __enter__(self) -> None:
        outermost = not connection.in_atomic_block
        super().__enter__()
        if outermost and dialect.IS_POSTGRES:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
                )


def _findings(check: Pass, severity: str) -> Iterator[Finding]:
    stale = dialect.moment(clock.now() - STALE_AFTER)
    with connection.cursor() as cursor:
        cursor.execute(check.sql, [stale] * check.sql.count("%s"))
        names = [column[0] for column in cursor.description]
        for row in cursor.fetchmany(FINDINGS_PER_CODE_MAX):
            shown = " ".join(
                f"{name}={value}" for name, value in zip(names, row, strict=True)
            )
            yield Finding(check.code, shown, severity)


def _totals() -> dict[str, int]:
    counts = {
        "accounts": "SELECT count(*) FROM billing_account",
        "entries": "SELECT count(*) FROM billing_entry",
        "holds": "SELECT count(*) FROM billing_hold",
        "unresolved_holds": (
            "SELECT count(*) FROM billing_hold WHERE state IN ('open', 'in_doubt')"
        ),
        "usage_records": "SELECT count(*) FROM billing_usagerecord",
        "charged_micros": "SELECT sum(charged_micros) FROM billing_usagerecord",
        "absorbed_micros": "SELECT sum(absorbed_micros) FROM billing_usagerecord",
        "granted_micros": "SELECT sum(amount_micros) FROM billing_grant",
    }
    totals = {}
    with connection.cursor() as cursor:
        for name, sql in counts.items():
            cursor.execute(sql)
            totals[name] = int(cursor.fetchone()[0] or 0)
    return totals
