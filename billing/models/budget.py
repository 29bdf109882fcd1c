"""Budgets: limits on what is spent in a window of time; runs, which are reserved."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import F, Q

from billing.models.account import UNCHECKED, Account, Spender, Unit
from billing.models.hold import Hold

# Nobody looks for a budget by these: `subject` is its index.
RARELY: dict[str, Any] = {"on_delete": models.PROTECT, "db_index": False}


class Level(models.TextChoices):
    """Whom a limit binds, from the top down. A member may be a service account."""

    ORGANIZATION = "organization"
    PROJECT = "project"
    MEMBER = "member"
    MEMBER_IN_PROJECT = "member_in_project"
    KEY = "key"


class Window(models.TextChoices):
    """For how long spending counts, in the account's time zone; a week begins on
    Monday."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    TOTAL = "total"


class Budget(models.Model):
    """A limit. What it says of whom and of when never changes: another row takes its
    place, so that a counter means one thing for ever. Only the limit does, and once
    `is_active` is false it stays so.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT)
    level = models.CharField(max_length=20)
    # Whom it binds, as the level says.
    project = models.ForeignKey(Unit, related_name="+", null=True, **RARELY)
    holder = models.ForeignKey(Unit, related_name="+", null=True, **RARELY)
    spender = models.ForeignKey(Spender, related_name="+", null=True, **RARELY)
    # The same as one text, for the ledger to look up: "project:7".
    subject = models.CharField(max_length=64)
    window = models.CharField(max_length=5)
    limit_micros = models.BigIntegerField()
    # Patterns with `*`, separated by commas, and one operation; "" is all of them.
    model_pattern = models.CharField(max_length=200, blank=True)
    operation = models.CharField(max_length=32, blank=True)
    # What its first window counts from; null: from when that window begins. It is later
    # where nothing counts that was before the limit, and earlier where a window that
    # began in another time zone goes on.
    since = models.DateTimeField(null=True)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(limit_micros__gte=1, limit_micros__lte=10**15),
                name="budget_limit_in_range",
            ),
            models.CheckConstraint(
                condition=Q(window__in=Window.values), name="budget_window_known"
            ),
            models.CheckConstraint(
                condition=Q(
                    level="organization",
                    project__isnull=True,
                    holder__isnull=True,
                    spender__isnull=True,
                )
                | Q(
                    level="project",
                    project__isnull=False,
                    holder__isnull=True,
                    spender__isnull=True,
                )
                | Q(
                    level="member",
                    project__isnull=True,
                    holder__isnull=False,
                    spender__isnull=True,
                )
                | Q(
                    level="member_in_project",
                    project__isnull=False,
                    holder__isnull=False,
                    spender__isnull=True,
                )
                | Q(
                    level="key",
                    project__isnull=True,
                    holder__isnull=True,
                    spender__isnull=False,
                ),
                name="budget_level_says_whom",
            ),
        ]
        indexes = [
            models.Index(
                fields=["subject"], condition=Q(is_active=True), name="budget_in_force"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.subject} {self.limit_micros} a {self.window}"

    @property
    def label(self) -> str:
        """The name of whom it binds now; "" for the organization."""
        if self.spender is not None:
            return self.spender.label
        units = (self.holder, self.project)
        return " in ".join(unit.label for unit in units if unit is not None)


class BudgetWindow(models.Model):
    """What counts in one window of a budget. The calls' holds name it (`Hold.budgets`):
    what a hold took here goes back here, whatever the clock says by then."""

    pk = models.CompositePrimaryKey("budget_id", "starts")
    budget = models.ForeignKey(Budget, **UNCHECKED)
    starts = models.BigIntegerField()  # seconds since 1970; 0 for "total"
    spent_micros = models.BigIntegerField(default=0)
    held_micros = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(spent_micros__gte=0, held_micros__gte=0),
                name="budgetwindow_not_negative",
            ),
        ]

    def __str__(self) -> str:
        return f"budget {self.budget_id} from {self.starts}"


class BudgetRaise(models.Model):
    """So much more for a time."""

    budget = models.ForeignKey(Budget, related_name="raises", on_delete=models.PROTECT)
    micros = models.BigIntegerField()
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    # Taken back before its time.
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(micros__gte=1, micros__lte=10**15),
                name="budgetraise_in_range",
            ),
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")), name="budgetraise_ends"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.micros} more for budget {self.budget_id}"


class Envelope(models.Model):
    """A run: credits that are set aside for the calls of one spender, by a hold of its
    own (`Hold.is_envelope`): its amount is what is left, its `bound_micros` what was
    put in, and it is due when the run expires. This row never changes.
    """

    hold = models.OneToOneField(
        Hold,
        on_delete=models.PROTECT,
        primary_key=True,
        related_name="run",
        db_constraint=False,
    )
    account = models.ForeignKey(Account, **UNCHECKED)
    spender = models.OneToOneField(
        Spender, on_delete=models.PROTECT, related_name="run"
    )
    parent = models.ForeignKey(Spender, related_name="runs", on_delete=models.PROTECT)
    label = models.CharField(max_length=200, blank=True)
    # Which it may call: patterns as in `Budget.model_pattern`.
    model_pattern = models.CharField(max_length=1000, blank=True)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"run {self.hold_id} {self.label}"
