"""How long exports of many rows take, and how much memory grows meanwhile.

    python -m tests.bench.exports [--rows 1000000] [--format csv,xlsx]

In a database of its own. Exit 1 where one takes longer than it may (60 s for a million
rows of CSV, 120 s of XLSX) or grows by more than 100 MB.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

SECONDS_OF_A_MILLION = {"csv": 60, "xlsx": 120, "jsonl": 60, "parquet": 120}
GROWTH_MAX = 100 * 1024  # kilobytes
ROWS_AT_ONCE = 20_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--format", default="csv,xlsx")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="exports-") as folder:
        os.environ |= {
            "VAR_DIR": folder,
            "DATABASE_URL": f"sqlite:///{folder}/bench.sqlite3",
            "DJANGO_SETTINGS_MODULE": "portal.settings",
        }
        return measure(options.rows, options.format.split(","), Path(folder))


def measure(rows: int, formats: list[str], folder: Path) -> int:
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    account_id, span = filled(rows)
    from portal.documents import write
    from portal.documents.kinds import Format, Kind
    from portal.models import Organization

    organization = Organization.objects.get(account_id=account_id)
    first = folder / "warm"
    write.to_file(organization, Kind.LEDGER, Format.CSV, span, first)
    is_good = True
    for name in formats:
        before, began = peak(), time.monotonic()
        path = folder / f"usage.{name}"
        written = write.to_file(organization, Kind.USAGE, Format(name), span, path)
        seconds, growth = time.monotonic() - began, peak() - before
        limit = SECONDS_OF_A_MILLION[name]
        fits = seconds <= limit and growth <= GROWTH_MAX and written.rows == rows
        is_good = is_good and fits
        sys.stdout.write(
            f"{name}: {written.rows} rows, {written.bytes / 1e6:.0f} MB in "
            f"{seconds:.1f} s (of {limit}), memory grew by {growth / 1024:.0f} MB: "
            f"{'good' if fits else 'TOO MUCH'}\n"
        )
        sys.stdout.flush()
    return 0 if is_good else 1


def peak() -> int:
    """Most resident memory so far, in kilobytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def filled(rows: int) -> tuple[int, Any]:
    """Records of that many calls in a month, written as rows: no ledger is proved."""
    import uuid

    from billing.models import UsageRecord
    from billing.reports.periods import Range
    from portal.models import User
    from portal.tenants import audit, keys, organizations, projects

    operator = audit.Actor(None, "bench")
    owner = User.objects.create_user("bench@example.com", None)
    organization = organizations.create("Bench", owner=owner, actor=operator)
    actor = audit.Actor(owner, owner.email)
    project = projects.default_of(organization)
    made = [keys.issue(project, f"key {n}", actor=actor)[0] for n in range(50)]
    begins = datetime(2026, 10, 1, tzinfo=UTC)
    step = timedelta(days=28) / rows
    for start in range(0, rows, ROWS_AT_ONCE):
        UsageRecord.objects.bulk_create(
            UsageRecord(
                hold_id=uuid.UUID(int=number + 1),
                account_id=organization.account_id,
                spender_id=made[number % 50].spender_id,
                project_id=project.unit_id,
                holder_id=made[0].spender.holder_id,
                spender_label=made[number % 50].name,
                project_label=project.name,
                holder_label=owner.email,
                client="openai-python",
                operation="chat.completions",
                model=f"openai/gpt-4o-{number % 7}",
                basis="upstream",
                price_micros=1000 + number,
                charged_micros=1000 + number,
                prompt_tokens=number % 900,
                completion_tokens=number % 300,
                settled_at=begins + step * number,
            )
            for number in range(start, min(rows, start + ROWS_AT_ONCE))
        )
    return organization.account_id, Range(begins, begins + timedelta(days=28))


if __name__ == "__main__":
    sys.exit(main())
