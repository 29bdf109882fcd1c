"""What a job is to cost, and what it did cost, cannot be changed in its row unnoticed.

The seals are digests over what was agreed, and over how it ended; `verify_ledger`
makes them again (registered in `ProxyConfig.ready`), and compares each row with its
hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson

from billing.values.digests import digest
from billing.verification.registry import Wrong
from proxy.models import Job, JobState

ROWS_AT_ONCE = 500
AGREED = (
    *("id", "account_id", "spender_id", "operation", "model", "mode", "upstream_id"),
    *("estimated_credits", "bound_micros", "terms", "created_at"),
)
ENDED = (
    *("id", "state", "error", "charged_micros", "basis", "finished_at"),
    "reply_digest",
)
OVER = (JobState.COMPLETED, JobState.FAILED, JobState.LOST)

PASSES = {
    "JOB_WITHOUT_HOLD": """
        SELECT j.id AS job, j.state AS state FROM proxy_job j
        LEFT JOIN billing_hold h ON h.id = j.id WHERE h.id IS NULL""",
    "JOB_OF_STRANGER": """
        SELECT j.id AS job, j.account_id AS account, h.account_id AS hold_of
        FROM proxy_job j JOIN billing_hold h ON h.id = j.id
        WHERE j.account_id <> h.account_id OR j.spender_id <> h.spender_id
           OR j.operation <> h.operation OR j.model <> h.model""",
    # What its customer is shown is what he was charged when it ended.
    "JOB_CHARGE_MISMATCH": """
        SELECT j.id AS job, j.charged_micros AS shown, u.charged_micros AS charged,
               j.basis AS shown_basis, u.basis AS basis
        FROM proxy_job j LEFT JOIN billing_usagerecord u ON u.hold_id = j.id
        WHERE NOT EXISTS (SELECT 1 FROM billing_correction c
                          WHERE c.hold_id = j.id AND c.state = 'posted')
          AND ((j.state IN ('completed', 'failed')
                AND (coalesce(j.charged_micros, -1) <> coalesce(u.charged_micros, -1)
                     OR j.basis <> coalesce(u.basis, '')))
            OR (j.state NOT IN ('completed', 'failed') AND j.charged_micros IS NOT NULL
                AND (coalesce(u.charged_micros, -1) <> j.charged_micros
                     OR j.basis <> coalesce(u.basis, ''))))""",
}


def agreed(job: Job) -> str:
    """The seal of a job that begins, or that the upstream has accepted."""
    return _seal([getattr(job, name) for name in AGREED])


def ended(job_id: UUID, values: dict[str, Any]) -> dict[str, Any]:
    """`values`, which end a job, with their seals."""
    row: dict[str, Any] = {
        "id": job_id,
        "error": "",
        "charged_micros": None,
        "basis": "",
    } | values
    row["reply_digest"] = digest(row["reply"]) if row.get("reply") else ""
    outcome = _seal([row[name] for name in ENDED])
    return values | {"reply_digest": row["reply_digest"], "outcome": outcome}


def _seal(values: list[Any]) -> str:
    options = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATETIME
    return digest(orjson.dumps(values, _moment, options).decode())


def _moment(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="microseconds")


def wrong_seals() -> Iterator[Wrong]:
    """Jobs whose rows are not as they were written."""
    for job in Job.objects.order_by("id").iterator(chunk_size=ROWS_AT_ONCE):
        if job.seal != agreed(job):
            yield Wrong("JOB_SEAL", f"job={job.id}")
        if job.state in OVER:
            outcome = _seal([getattr(job, name) for name in ENDED])
            is_purged = not job.reply
            if job.outcome != outcome or not (
                is_purged or digest(job.reply) == job.reply_digest
            ):
                yield Wrong("JOB_OUTCOME", f"job={job.id} state={job.state}")
