"""Sums of whole days, made of the quarters of an hour by the worker, for long ranges.

A page over months would read a million quarters. Days are derived, outside any call:
`billing.usage_days` adds each quarter once it is over, and notes in the same
transaction up to where it came. What is later is read from the quarters themselves, so
what is shown is exact at any time, and no figure is from here alone.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from billing.models.account import Account
from billing.models.caller import CLIENT_MAX, SESSION_MAX


class Cut(models.TextChoices):
    """By what the days of an account are divided: a row for each that spent.

    One for each dimension, because most questions are of one; two of a project, for
    statements; `ALL` by all at once, for filters; `SESSION` by these and the session.
    """

    TOTAL = "total"
    MODEL = "model"
    KEY = "key"
    PROJECT = "project"
    HOLDER = "holder"
    OPERATION = "operation"
    CLIENT = "client"
    SESSIONS = "sessions"
    MODEL_OF_PROJECT = "prj_model"
    KEY_OF_PROJECT = "prj_key"
    ALL = "all"
    SESSION = "session"


_COLUMNS = ("key_id", "project_id", "holder_id", "operation", "model", "client")
# The columns that the rows of each cut are told apart by, besides account and day. The
# shortest come first: a question is answered by the first that has all of its columns.
DIVIDED_BY: dict[Cut, tuple[str, ...]] = {
    Cut.TOTAL: (),
    Cut.MODEL: ("model",),
    Cut.KEY: ("key_id",),
    Cut.PROJECT: ("project_id",),
    Cut.HOLDER: ("holder_id",),
    Cut.OPERATION: ("operation",),
    Cut.CLIENT: ("client",),
    Cut.SESSIONS: ("session",),
    Cut.MODEL_OF_PROJECT: ("project_id", "model"),
    Cut.KEY_OF_PROJECT: ("project_id", "key_id"),
    Cut.ALL: _COLUMNS,
    Cut.SESSION: (*_COLUMNS, "session"),
}
# Those that quarters cannot tell: they are added up of single lines.
OF_LINES = tuple(cut for cut, by in DIVIDED_BY.items() if "session" in by)


class UsageDay(models.Model):
    """What was spent on a day of the account's time zone, by one of its cuts.

    What the row's cut does not divide by is 0 or "". Keys that were rotated one into
    the next, and those of a key's runs, are one: the first of them.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, db_index=False)
    cut = models.CharField(max_length=10)
    day = models.DateField()
    key_id = models.BigIntegerField(default=0)
    project_id = models.BigIntegerField(default=0)
    holder_id = models.BigIntegerField(default=0)
    operation = models.CharField(max_length=32, default="")
    model = models.CharField(max_length=200, default="")
    client = models.CharField(max_length=CLIENT_MAX, default="")
    session = models.CharField(max_length=SESSION_MAX, default="")
    requests = models.BigIntegerField()
    prompt_tokens = models.BigIntegerField()
    completion_tokens = models.BigIntegerField()
    charged_micros = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=[
                    *("account", "cut", "day", "key_id", "project_id", "holder_id"),
                    *("operation", "model", "client", "session"),
                ],
                name="usageday_one_per_day_and_group",
            ),
        ]
        indexes = [
            # Who looks at one key, or sees only what is their own.
            models.Index(
                fields=["account", "key_id", "day"],
                condition=Q(cut="all"),
                name="usageday_of_key",
            ),
            models.Index(
                fields=["account", "holder_id", "day"],
                condition=Q(cut="all"),
                name="usageday_of_holder",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.cut} of {self.account_id} on {self.day}"


class UsageDays(models.Model):
    """Up to when an account's days are made, and of which time zone they are."""

    account = models.OneToOneField(
        Account, on_delete=models.PROTECT, primary_key=True, related_name="+"
    )
    zone = models.CharField(max_length=64)
    # Every quarter that began before is in the days; null: none is.
    until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"days of {self.account_id} until {self.until}"
