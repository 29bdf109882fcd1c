"""Holds: credits set aside for a call while it runs; leases: proof that it runs."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from billing.models.account import UNCHECKED, Account, Spender
from billing.models.caller import Caller


class HoldState(models.TextChoices):
    """open → settled | released | in_doubt; in_doubt → settled | released | open."""

    OPEN = "open"
    SETTLED = "settled"
    RELEASED = "released"
    IN_DOUBT = "in_doubt"


UNRESOLVED = (HoldState.OPEN, HoldState.IN_DOUBT)


class Lease(models.Model):
    """A process's sign of life. Holds under a dead lease are due for resolution."""

    id = models.UUIDField(primary_key=True)
    label = models.CharField(max_length=100)
    expires_at = models.DateTimeField(db_index=True)
    # Questions to the process, and the last that it has answered (`billing.leases`).
    asked = models.BigIntegerField(default=0)
    answered = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return self.label


class Hold(Caller):
    """A reservation for one call; its id is the call's request id."""

    id = models.UUIDField(primary_key=True)
    account = models.ForeignKey(Account, **UNCHECKED)
    spender = models.ForeignKey(Spender, **UNCHECKED)
    state = models.CharField(max_length=10, default=HoldState.OPEN)
    amount_micros = models.BigIntegerField()
    # The factor agreed when the call began: a later change cannot raise its charge.
    price_factor_ppm = models.BigIntegerField()
    operation = models.CharField(max_length=32)
    model = models.CharField(max_length=200)
    # For the price to teach what such calls cost (`billing.pricing.lessons`): what
    # lessons multiply, what the call has in common with its like, and whether it was
    # held for cautiously because nobody knew.
    bound_micros = models.BigIntegerField(default=0)
    shape = models.CharField(max_length=80, blank=True)
    is_untried = models.BooleanField(default=False)
    # Not a foreign key: leases of dead processes are cleared away.
    lease_id = models.UUIDField(null=True)
    placed_at = models.DateTimeField()
    # When nobody answers for the call any more, lease or not.
    due_at = models.DateTimeField()
    # When it left the open state, or came to doubt.
    changed_at = models.DateTimeField(null=True)
    # How much of which grant it keeps, in burn order: [[grant id, micros], …]. What it
    # does not use returns to the same ones.
    pins = models.JSONField(default=list)
    # In which windows of which budgets it counts: [[budget id, its start], …].
    budgets = models.JSONField(default=list)
    # The run whose hold it was taken from; and whether it is itself a run's.
    envelope = models.ForeignKey("self", related_name="+", null=True, **UNCHECKED)
    is_envelope = models.BooleanField(default=False)
    # A digest of all the other columns; null once it has ended, by an act (`act.py`).
    seal = models.UUIDField(null=True)
    # Why it ended as it did: "" for a plain settlement, else e.g. "upstream_refused".
    reason = models.CharField(max_length=64, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(amount_micros__gte=0), name="hold_amount_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["open", "settled", "released", "in_doubt"]),
                name="hold_state_known",
            ),
        ]
        indexes = [
            models.Index(fields=["account", "-placed_at"], name="hold_latest"),
            # The few that are not done; the sweep reads nothing else.
            models.Index(
                fields=["state", "due_at"],
                condition=Q(state__in=["open", "in_doubt"]),
                name="hold_unresolved",
            ),
            models.Index(
                fields=["account", "due_at"],
                condition=Q(is_envelope=True, state="open"),
                name="hold_open_envelopes",
            ),
            models.Index(
                fields=["envelope"],
                condition=Q(envelope__isnull=False),
                name="hold_of_envelope",
            ),
            # For who looks through a list of calls (`billing.reports.activity`): those
            # of a key, of a session, and the few that were not charged.
            models.Index(fields=["spender", "-placed_at"], name="hold_of_spender"),
            models.Index(
                fields=["account", "session", "-placed_at"],
                condition=~Q(session=""),
                name="hold_of_session",
            ),
            models.Index(
                fields=["account", "state", "-placed_at"],
                condition=Q(state__in=["released", "in_doubt"]),
                name="hold_not_charged",
            ),
        ]

    def __str__(self) -> str:
        return f"hold {self.id} ({self.state})"
