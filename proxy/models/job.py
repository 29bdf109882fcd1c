"""Jobs: calls that the upstream finishes later, and that somebody asks about."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class JobState(models.TextChoices):
    """submitting → pending ↔ processing → completed | failed | lost."""

    SUBMITTING = "submitting"  # the upstream may, or may not, know of it
    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    LOST = "lost"  # nobody knows how it ended; its hold is, or was, in doubt


# The upstream has named it and has not said how it ended.
ASKED_ABOUT = (JobState.PENDING, JobState.PROCESSING)
UNFINISHED = (JobState.SUBMITTING, *ASKED_ABOUT)


class Job(models.Model):
    """One job. Its id is its hold's, so that whoever finds it can settle it.

    No foreign keys, as in `billing.models.hold`: the hold was committed a moment
    before, and accounts and spenders are never deleted.
    """

    id = models.UUIDField(primary_key=True)
    account_id = models.BigIntegerField()
    spender_id = models.BigIntegerField()
    operation = models.CharField(max_length=32)
    model = models.CharField(max_length=200)
    mode = models.CharField(max_length=8)
    # The upstream's name for it; no customer ever sees it.
    upstream_id = models.CharField(max_length=128, blank=True)
    state = models.CharField(max_length=10, default=JobState.SUBMITTING)
    progress = models.SmallIntegerField(default=0)
    estimated_credits = models.BigIntegerField(null=True)
    bound_micros = models.BigIntegerField()  # the most it may cost
    # What settling needs: the rates agreed, and the units it surely uses. And what
    # later answers tell of the request (`calls.Call.remembered`).
    terms = models.JSONField()
    # The upstream's first word on how it ended, as JSON. Not a JSON column:
    # PostgreSQL's refuses a NUL inside a string, and such an answer is paid for too.
    # Emptied JOB_REPLY_SECONDS after the end.
    reply = models.TextField(blank=True)
    error = models.CharField(max_length=500, blank=True)
    charged_micros = models.BigIntegerField(null=True)  # null: not resolved, or free
    basis = models.CharField(max_length=10, blank=True)
    created_at = models.DateTimeField()
    # From then on its hold depends on no process. Null: still on its process's lease.
    entrusted_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    polls = models.IntegerField(default=0)
    polled_at = models.DateTimeField(null=True)
    next_poll_at = models.DateTimeField(null=True)
    # How often in a row the upstream did not know it, and since when.
    misses = models.IntegerField(default=0)
    missed_since = models.DateTimeField(null=True)
    # Whose turn it is to ask the upstream: a claim, which runs out by itself.
    claimed_by = models.CharField(max_length=32, blank=True)
    claimed_until = models.DateTimeField(null=True)
    # Digests over what was agreed, how it ended, and its reply: `proxy.jobs.seals`.
    seal = models.CharField(max_length=32, blank=True)
    outcome = models.CharField(max_length=32, blank=True)
    reply_digest = models.CharField(max_length=32, blank=True)
    # For the operator, e.g. "usage_missing job_changed".
    remark = models.CharField(max_length=200, blank=True)

    class Meta:
        db_table = "proxy_job"
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=[state.value for state in JobState]),
                name="job_state_known",
            ),
            models.CheckConstraint(
                condition=Q(bound_micros__gte=0), name="job_bound_not_negative"
            ),
            models.CheckConstraint(
                condition=~Q(state__in=[state.value for state in ASKED_ABOUT])
                | (~Q(upstream_id="") & Q(next_poll_at__isnull=False)),
                name="job_that_runs_can_be_asked_about",
            ),
        ]
        indexes = [
            # The few that are not done; the worker reads nothing else.
            models.Index(
                fields=["next_poll_at"],
                condition=Q(state__in=[state.value for state in UNFINISHED]),
                name="job_due",
            ),
            models.Index(fields=["account_id", "-created_at"], name="job_latest"),
            # Those whose reply is still to be purged.
            models.Index(
                fields=["finished_at"], condition=~Q(reply=""), name="job_replied"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.public_id} ({self.state})"

    @property
    def public_id(self) -> str:
        """What customers call it."""
        return f"job_{self.id.hex}"

    @property
    def is_over(self) -> bool:
        return self.state not in UNFINISHED

    @property
    def is_without_result(self) -> bool:
        """Whether it succeeded, and its result is not kept any more."""
        return self.state == JobState.COMPLETED and not self.reply
