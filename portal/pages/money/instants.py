"""A field for an instant to the second, by a clock in the organization's zone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.core.exceptions import ValidationError

NO_INSTANT = "Write a date and a time: 2026-10-12 14:00:00."
SKIPPED = "The clock there was set forward over this time: it never was."
FUTURE = "That is in the future."
PAST = "That is over: choose a time in the future."
YEARS = range(2000, 2200)


class InstantField(forms.CharField):
    """With or without seconds; a date alone is its midnight. Without an offset from UTC
    the time is the zone's; where the clock showed it twice, the first of both."""

    def __init__(self, zone: ZoneInfo, now: datetime, **options: Any) -> None:
        super().__init__(max_length=40, **options)
        self.zone, self.now = zone, now

    def clean(self, value: Any) -> datetime | None:
        text = super().clean(value)
        if not text:
            return None
        found = _read(text, self.zone)
        self.check(found)
        return found

    def check(self, found: datetime) -> None:
        """Raises: ValidationError."""
        if found > self.now:
            raise ValidationError(FUTURE)


class FutureField(InstantField):
    """When something ends that is made now."""

    def check(self, found: datetime) -> None:
        if found <= self.now:
            raise ValidationError(PAST)


def _read(text: str, zone: ZoneInfo) -> datetime:
    # In a URL written by hand a plus is a blank.
    if text[-6:-5] == " " and text[-3:-2] == ":" and len(text) > 16:
        text = f"{text[:-6]}+{text[-5:]}"
    try:
        found = datetime.fromisoformat(text).replace(microsecond=0)
    except ValueError:
        raise ValidationError(NO_INSTANT) from None
    if found.year not in YEARS:
        raise ValidationError(NO_INSTANT)
    if found.tzinfo is not None:
        return found.astimezone(UTC)
    there = found.replace(tzinfo=zone).astimezone(UTC)
    if there.astimezone(zone).replace(tzinfo=None) != found:
        raise ValidationError(SKIPPED)
    return there


def written(moment: datetime, zone: ZoneInfo) -> str:
    """As the field takes it: with its offset only where the clock showed it twice."""
    local = moment.astimezone(zone).replace(microsecond=0)
    plain = local.replace(tzinfo=None, fold=0)
    is_first = plain.replace(tzinfo=zone).astimezone(UTC) == moment.astimezone(UTC)
    return (plain if is_first else local).isoformat()
