"""`python -m tests.bench.ledger_size --entries 1000000`: how long `verify_ledger` takes
on a ledger of that size, and how much memory. `DATABASE_URL` names an empty database.

Calls of twenty organizations in batches, as the writer commits them: most are settled,
some beyond their hold, some released, some in doubt.
"""

from __future__ import annotations

import argparse
import random
import resource
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta

import django

django.setup()

from django.core.management import call_command  # noqa: E402

from billing import accounts, grants, holds, spenders  # noqa: E402
from billing.models import Entry  # noqa: E402
from billing.values import clock  # noqa: E402
from billing.values.orders import (  # noqa: E402
    CREDIT,
    Doubt,
    Order,
    Place,
    Release,
    Resolved,
    Settle,
    Usage,
)

ORGANIZATIONS = 20
BATCH = 200
VERIFY = [sys.executable, "-c"]
MEASURED = """
import resource, time, django
django.setup()
from billing.verification.report import verify
start = time.monotonic()
report = verify()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
print(f"{time.monotonic() - start:.1f} s, {peak} MiB at most, ok: {report.ok}")
print(report.totals)
for finding in report.findings[:5]:
    print(finding)
"""


def calls(chance: random.Random, payers: list[tuple[int, int]]) -> Iterator[Place]:
    while True:
        account_id, spender_id = chance.choice(payers)
        yield Place(
            hold_id=uuid.uuid4().hex,
            account_id=account_id,
            spender_id=spender_id,
            bound_micros=chance.randrange(1, 9) * CREDIT,
            operation="chat.completions",
            model=chance.choice(["openai/gpt-4o", "openai/gpt-4o-mini", "other"]),
            due_at=clock.now() + timedelta(hours=1),
        )


def end_of(chance: random.Random, place: Place) -> Order[Resolved]:
    whose = (place.hold_id, place.account_id)
    match chance.randrange(50):
        case 0:
            return Doubt(*whose, "upstream_lost")
        case 1 | 2:
            return Release(*whose, "upstream_refused")
        case number:
            cost = place.bound_micros + (CREDIT if number == 3 else 0)
            parts = {"base": CREDIT, "tokens": cost - CREDIT}
            return Settle(
                *whose,
                Usage("upstream", cost, cost, 120, 40, parts, f"gen-{number}"),
            )


def fill(entries: int) -> None:
    chance = random.Random(7)
    payers = []
    for number in range(ORGANIZATIONS):
        account = accounts.open_organization(f"org {number}")
        payers.append((account.id, spenders.open_spender(account.id, "key").id))
        for part in range(3):
            grants.issue(
                account.id,
                10**12,
                source="purchase",
                reference=f"{account.id}:{part}",
            )
    coming = calls(chance, payers)
    while Entry.objects.count() < entries:
        for _ in range(50):
            placed = [next(coming) for _ in range(BATCH)]
            holds.commit(placed)
            holds.commit([end_of(chance, place) for place in placed])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    entries = parser.parse_args().entries
    call_command("migrate", verbosity=0)
    start = time.monotonic()
    fill(entries)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    sys.stdout.write(f"filled in {time.monotonic() - start:.0f} s, {peak} MiB\n")
    found = subprocess.run([*VERIFY, MEASURED], capture_output=True, text=True)
    sys.stdout.write(found.stdout + found.stderr)


if __name__ == "__main__":
    main()
