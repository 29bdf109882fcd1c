"""Buyers at their payment provider, and top-ups that happen by themselves."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from billing.models.account import UNCHECKED, Account


class Buyer(models.Model):
    """An organization as its payment provider knows it: no card, only names of it."""

    account = models.OneToOneField(
        Account, primary_key=True, related_name="+", **UNCHECKED
    )
    provider = models.CharField(max_length=16)
    customer_ref = models.CharField(max_length=255, blank=True)
    method_ref = models.CharField(max_length=255, blank=True)  # for automatic ones
    name = models.CharField(max_length=200, blank=True)
    address = models.CharField(max_length=500, blank=True)
    tax_id = models.CharField(max_length=64, blank=True)

    def __str__(self) -> str:
        return f"{self.customer_ref} of account {self.account_id}"


class AutoTopUp(models.Model):
    """Below `threshold_micros` available, so many credits are bought."""

    account = models.OneToOneField(
        Account, primary_key=True, related_name="+", **UNCHECKED
    )
    is_on = models.BooleanField(default=False)
    threshold_micros = models.BigIntegerField()
    amount_micros = models.BigIntegerField()
    month_max_minor = models.BigIntegerField()  # of `currency`, in a calendar month
    currency = models.CharField(max_length=3)
    number = models.BigIntegerField(default=0)  # attempts: each has a key of its own
    failures = models.SmallIntegerField(default=0)  # in a row
    not_before = models.DateTimeField(null=True)  # after a decline
    # Why it waits until somebody resumes it, or pays in Checkout; empty: it does not.
    paused_for = models.CharField(max_length=32, blank=True)
    consent_id = models.BigIntegerField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    threshold_micros__gt=0, amount_micros__gt=0, month_max_minor__gt=0
                ),
                name="auto_topup_amounts_positive",
            ),
        ]
        indexes = [
            models.Index(
                fields=["account"], condition=Q(is_on=True), name="auto_topup_on"
            ),
        ]

    def __str__(self) -> str:
        return f"automatic top-up of account {self.account_id}"


class Consent(models.Model):
    """Who agreed to be charged without being asked, to which words. Append-only."""

    id = models.BigAutoField(primary_key=True)
    account = models.ForeignKey(Account, related_name="+", **UNCHECKED)
    text = models.TextField()
    person = models.CharField(max_length=254)
    address = models.CharField(max_length=45, blank=True)  # the IP's
    given_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"consent of {self.person}, {self.given_at}"
