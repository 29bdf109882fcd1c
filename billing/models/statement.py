"""Statements of months that are closed: what was said of them, for ever."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from billing.models.account import Account, Unit


class Statement(models.Model):
    """What an account had, and why that changed, in one month. Append-only.

    `number` counts the months of an account that were closed, from 1, without a gap;
    part 0 is the organization's statement, parts 1 … those of its projects. Whatever
    happens later is in a later one: the ledger books nothing in the past.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, db_index=False)
    number = models.IntegerField()
    part = models.IntegerField()
    project = models.ForeignKey(
        Unit, on_delete=models.PROTECT, null=True, related_name="+"
    )
    month = models.CharField(max_length=7)  # 2026-11
    # Whose days these were; the first instant, and the first that is not in it.
    zone = models.CharField(max_length=64)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    # Of the organization its balance; of a project what it was ever charged.
    opening_micros = models.BigIntegerField()
    closing_micros = models.BigIntegerField()
    figures = models.TextField()  # JSON, in one way only
    # SHA-256 of `previous` and `figures`, hexadecimal; `previous` is the digest of the
    # row before it by number and part, "" for the first.
    previous = models.CharField(max_length=64, blank=True)
    digest = models.CharField(max_length=64)
    closed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "number", "part"], name="statement_numbered_once"
            ),
            models.UniqueConstraint(
                fields=["account", "month", "part"], name="statement_month_once"
            ),
            models.CheckConstraint(
                condition=Q(number__gte=1)
                & (
                    Q(part=0, project__isnull=True)
                    | Q(part__gte=1, project__isnull=False)
                ),
                name="statement_part_0_is_the_organization",
            ),
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def label(self) -> str:
        """Its number in words: S-3, of a project S-3.1."""
        return f"S-{self.number}.{self.part}" if self.part else f"S-{self.number}"
