"""What a job's row says of money cannot be changed unnoticed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from billing.values import clock
from billing.values.orders import CREDIT
from billing.verification.report import verify
from proxy.jobs import rows
from proxy.models import Job, JobState
from tests.support.ledger.payers import Payer
from tests.support.ledger.tampering import found_after

# One row's change, its job, and the code that must name it.
CASES = (
    ("account_id = {other}", "done", "JOB_OF_STRANGER"),
    ("spender_id = {other_spender}", "done", "JOB_OF_STRANGER"),
    ("operation = 'music.generations'", "done", "JOB_OF_STRANGER"),
    ("model = 'other'", "done", "JOB_OF_STRANGER"),
    ("mode = 'wait'", "running", "JOB_SEAL"),
    ("upstream_id = 'up-9'", "running", "JOB_SEAL"),
    ("bound_micros = 1", "running", "JOB_SEAL"),
    ("estimated_credits = 1", "running", "JOB_SEAL"),
    ("terms = '{{}}'", "running", "JOB_SEAL"),
    ("created_at = '{past}'", "running", "JOB_SEAL"),
    ("seal = ''", "running", "JOB_SEAL"),
    ("state = 'completed'", "running", "JOB_OUTCOME"),
    ("charged_micros = 0, basis = 'upstream'", "running", "JOB_CHARGE_MISMATCH"),
    ("charged_micros = charged_micros - 1", "done", "JOB_CHARGE_MISMATCH"),
    ("charged_micros = NULL", "done", "JOB_CHARGE_MISMATCH"),
    ("basis = 'estimated'", "done", "JOB_CHARGE_MISMATCH"),
    ("state = 'failed'", "done", "JOB_OUTCOME"),
    ("error = 'too dark'", "done", "JOB_OUTCOME"),
    ("finished_at = '{past}'", "done", "JOB_OUTCOME"),
    ("reply = '{{}}'", "done", "JOB_OUTCOME"),
    ("reply_digest = ''", "done", "JOB_OUTCOME"),
    ("outcome = ''", "done", "JOB_OUTCOME"),
    ("id = '{nobody}'", "done", "JOB_WITHOUT_HOLD"),
)


def make_job(customer: Payer) -> Job:
    """As a submission makes one, accepted by the upstream."""
    hold_id = customer.hold(30)
    job = Job(
        id=UUID(hold_id),
        account_id=customer.account_id,
        spender_id=customer.spender_id,
        operation="chat.completions",
        model="openai/gpt-4o",
        mode="job",
        bound_micros=30,
        terms={"rates": {"v": 1, "second": 2}, "least": {}},
        created_at=clock.now(),
    )
    rows.create(job)
    job.upstream_id, job.state = "up-1", JobState.PENDING
    job.next_poll_at, job.estimated_credits = clock.now(), 3
    rows.accept(job)
    return job


@pytest.fixture
def names(db: None) -> dict[str, Any]:
    """A job that runs, and one that is done."""
    customer, other = Payer.open(credits=100), Payer.open(credits=CREDIT)
    running, done = make_job(customer), make_job(customer)
    customer.settle(done.id.hex, 12)
    rows.finish(
        done,
        JobState.COMPLETED,
        reply='{"status": "completed"}',
        charged_micros=12,
        basis="upstream",
    )
    return {
        "running": running.id.hex,
        "done": done.id.hex,
        "other": other.account_id,
        "other_spender": other.spender_id,
        "past": (clock.now() - timedelta(days=1)).replace(tzinfo=None),
        "nobody": "0" * 32,
    }


def test_what_the_gateway_writes_fits(names: dict[str, Any]) -> None:
    assert [found for found in verify().findings if "JOB" in found.code] == []


def test_a_purged_reply_fits(names: dict[str, Any]) -> None:
    Job.objects.filter(id=names["done"]).update(reply="")

    assert [found for found in verify().findings if "JOB" in found.code] == []


@pytest.mark.parametrize(("change", "which", "code"), CASES)
def test_a_falsified_job_has_its_code(
    names: dict[str, Any], change: str, which: str, code: str
) -> None:
    found = found_after(
        f"UPDATE proxy_job SET {change.format(**names)} WHERE id = '{names[which]}'"
    )
    assert code in found
    assert all(each.startswith("JOB_") for each in found)


def test_a_job_that_was_charged_later_is_no_mismatch(names: dict[str, Any]) -> None:
    """Its row says what it was charged when it ended; corrections are the ledger's."""
    from billing import corrections
    from billing.models.correction import CorrectionKind

    corrections.post(
        UUID(names["done"]), CorrectionKind.REFUND, 2, reference="1", reason="x"
    )
    assert [found for found in verify().findings if "JOB" in found.code] == []
