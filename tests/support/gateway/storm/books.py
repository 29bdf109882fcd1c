"""A process that knows the storm's own database: `python -m …storm.books`.

It reads one JSON object per line and answers with one. The test's process is of another
database, and Django knows but one.
"""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import django

django.setup()

from django.db import DatabaseError, connections  # noqa: E402
from django.db.models import Sum  # noqa: E402

from billing import grants  # noqa: E402
from billing.models import Account, Grant, Hold, UsageRecord  # noqa: E402
from billing.models.grant import GrantSource  # noqa: E402
from billing.values import clock  # noqa: E402
from billing.values.orders import CREDIT  # noqa: E402
from billing.verification.report import verify  # noqa: E402
from proxy.models import Job  # noqa: E402
from proxy.models.job import ASKED_ABOUT, UNFINISHED  # noqa: E402
from tests.support import cast  # noqa: E402

CREDITS = 50_000_000  # more than a storm can spend
HOLD = ("id", "account_id", "model", "state", "reason", "amount_micros")
RECORD = ("hold_id", "account_id", "model", "operation", "basis", "flags")
AMOUNTS = ("price_micros", "charged_micros", "absorbed_micros")
JOB = ("id", "model", "state", "upstream_id", "charged_micros")


def establish(told: dict[str, Any]) -> list[dict[str, Any]]:
    """An organization with a key for each price factor."""
    return [_organization(factor_ppm) for factor_ppm in told["factors_ppm"]]


def _organization(factor_ppm: int) -> dict[str, Any]:
    name = uuid.uuid4().hex[:8]
    owner = cast.make_user(f"{name}@example.com")
    organization = cast.make_organization(f"Storm {name}", owner, credits=0)
    account_id = organization.account_id
    # In two, so that charges are split between them now and then.
    for credits, source in ((20, GrantSource.PROMOTION), (CREDITS, "purchase")):
        grants.issue(
            account_id,
            credits * CREDIT,
            source=source,
            reference=f"storm:{name}:{credits}",
        )
    Account.objects.filter(id=account_id).update(price_factor_ppm=factor_ppm)
    _, secret = cast.make_key(organization, owner)
    return {"id": account_id, "factor_ppm": factor_ppm, "secret": secret}


def hurry(_told: dict[str, Any]) -> None:
    """As if the time had passed until each job's next look, and a dead worker's claim
    to it."""
    past = clock.now() - timedelta(seconds=1)
    waiting = Job.objects.filter(state__in=ASKED_ABOUT)
    waiting.update(next_poll_at=past, claimed_until=None)


def unfinished(_told: dict[str, Any]) -> dict[str, list[str]]:
    """The calls and jobs that are not over."""
    jobs = Job.objects.filter(state__in=UNFINISHED)
    holds = Hold.objects.filter(state="open")
    return {
        "holds": [f"{hold.model} {hold} due {hold.due_at}" for hold in holds],
        "jobs": [f"{job.model} {job}" for job in jobs],
    }


def write(told: dict[str, Any]) -> None:
    """All there is to compare, into a file."""
    granted = Grant.objects.values("account_id").annotate(total=Sum("amount_micros"))
    accounts = Account.objects.filter(kind="organization")
    columns = ("id", "price_factor_ppm", "balance_micros", "held_micros")
    content = {
        "accounts": list(accounts.values(*columns)),
        "granted": {row["account_id"]: row["total"] for row in granted},
        "holds": list(Hold.objects.values(*HOLD)),
        "records": list(UsageRecord.objects.values(*RECORD, *AMOUNTS, "upstream_id")),
        "jobs": list(Job.objects.values(*JOB)),
        "errors": [
            f"{found.code} {found.detail}"
            for found in verify().findings
            if found.severity == "error"
        ],
    }
    text = json.dumps(content, default=lambda value: value.hex)  # UUIDs
    Path(told["path"]).write_text(text)


QUESTIONS: dict[str, Callable[[dict[str, Any]], object]] = {
    each.__name__: each for each in (establish, hurry, unfinished, write)
}


def main() -> None:
    for line in sys.stdin:
        told = json.loads(line)
        try:
            answer = {"answer": QUESTIONS[told["ask"]](told)}
        except DatabaseError as error:  # it may be restarting
            answer = {"error": str(error)}
        finally:
            connections.close_all()
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
