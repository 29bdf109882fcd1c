"""`python -m tests.bench.hold_cost`: what a hold and its settlement cost in a big
organization, and with limits on every level, beside one that is empty. `DATABASE_URL`
names an empty database.

Big: 10,000 spent grants, 1,000 limits of other keys, 1,000,000 usage records. Limited:
eight limits that apply, two windows on each of four levels. They take turns, so that a
machine that becomes slower is slower for all of them; medians.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import uuid
from collections.abc import Callable
from datetime import timedelta

import django

django.setup()

from django.core.management import call_command  # noqa: E402

from billing import accounts, budgets, grants, holds, spenders  # noqa: E402
from billing.budgets import Subject  # noqa: E402
from billing.models import Grant, UsageRecord  # noqa: E402
from billing.models.account import UnitKind  # noqa: E402
from billing.models.budget import Level, Window  # noqa: E402
from billing.values import clock  # noqa: E402
from billing.values.orders import CREDIT, Place, Placed, Settle, Usage  # noqa: E402

MOST = 10**15
ROWS_AT_ONCE = 5000
Key = tuple[int, int]  # account, spender


def organization(label: str) -> Key:
    account = accounts.open_organization(label)
    grants.issue(account.id, 10**14, source="purchase", reference=f"{label}:first")
    return account.id, spenders.open_spender(account.id, label).id


def big(spent_grants: int, limits: int, usage: int) -> Key:
    account_id, spender_id = organization("big")
    for number in range(spent_grants):
        reference = f"spent:{number}"
        grants.issue(account_id, 1, source="trial", reference=reference)
    # Not what the ledger would do, but a spent grant costs a hold what this one does.
    Grant.objects.filter(account_id=account_id, source="trial").update(
        remaining_micros=0
    )
    for number in range(limits):
        other = spenders.open_spender(account_id, f"other {number}").id
        subject = Subject(Level.KEY, spender_id=other)
        budgets.set_limit(
            account_id, subject, Window.DAY, MOST, counts_spend_so_far=False
        )
    now = clock.now()
    for start in range(0, usage, ROWS_AT_ONCE):
        UsageRecord.objects.bulk_create(
            UsageRecord(
                hold_id=uuid.uuid4(),
                account_id=account_id,
                spender_id=spender_id,
                operation="chat.completions",
                model="openai/gpt-4o",
                basis="upstream",
                price_micros=CREDIT,
                charged_micros=CREDIT,
                settled_at=now - timedelta(seconds=start),
            )
            for _ in range(min(ROWS_AT_ONCE, usage - start))
        )
    return account_id, spender_id


def limited() -> Key:
    account_id, _ = organization("limited")
    project = spenders.open_unit(account_id, UnitKind.PROJECT, "project").id
    holder = spenders.open_unit(account_id, UnitKind.MEMBER, "member").id
    key = spenders.open_spender(
        account_id, "key", project_id=project, holder_id=holder
    ).id
    subjects = (
        Subject(Level.ORGANIZATION),
        Subject(Level.PROJECT, project_id=project),
        Subject(Level.MEMBER, holder_id=holder),
        Subject(Level.KEY, spender_id=key),
    )
    for subject in subjects:
        for window in (Window.DAY, Window.MONTH):
            budgets.set_limit(
                account_id, subject, window, MOST, counts_spend_so_far=True
            )
    return account_id, key


def seconds_of_a_call(key: Key) -> float:
    account_id, spender_id = key
    place = Place(
        hold_id=uuid.uuid4().hex,
        account_id=account_id,
        spender_id=spender_id,
        bound_micros=2 * CREDIT,
        operation="chat.completions",
        model="openai/gpt-4o",
        due_at=clock.now() + timedelta(hours=1),
    )
    settle = Settle(place.hold_id, account_id, Usage("upstream", CREDIT, CREDIT))
    start = time.perf_counter()
    [placed] = holds.commit([place])
    holds.commit([settle])
    took = time.perf_counter() - start
    assert isinstance(placed, Placed), placed
    return took


def measured(keys: dict[str, Key], calls: int) -> dict[str, float]:
    """Milliseconds of a hold and its settlement, the median."""
    times: dict[str, list[float]] = {name: [] for name in keys}
    for _ in range(calls):
        for name, key in keys.items():
            times[name].append(seconds_of_a_call(key))
    warm = calls // 10
    return {name: statistics.median(each[warm:]) * 1000 for name, each in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--grants", type=int, default=10_000)
    parser.add_argument("--limits", type=int, default=1_000)
    parser.add_argument("--usage", type=int, default=1_000_000)
    parser.add_argument("--calls", type=int, default=2_000)
    options = parser.parse_args()
    call_command("migrate", verbosity=0)
    made: dict[str, Callable[[], Key]] = {
        "empty": lambda: organization("empty"),
        "big": lambda: big(options.grants, options.limits, options.usage),
        "limited": limited,
    }
    found = measured({name: make() for name, make in made.items()}, options.calls)
    for name, milliseconds in found.items():
        ratio = milliseconds / found["empty"]
        more = milliseconds - found["empty"]
        sys.stdout.write(f"{name:<8}{milliseconds:7.3f} ms  {ratio:.2f}  +{more:.3f}\n")


if __name__ == "__main__":
    main()
