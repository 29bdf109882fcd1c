"""Which time an export is of: whole days of the organization's time zone, no future."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.utils.dateparse import parse_date

from billing.reports.periods import Range, days
from portal.models import Organization

YEARS_MAX = 10


def span_of(
    organization: Organization, first: date, last: date, now: datetime
) -> Range:
    """From the first day's beginning to the last one's end; today's ends now.

    Raises: ValidationError with a message for the field `from` or `to`.
    """
    zone = organization.account.time_zone
    today = now.astimezone(ZoneInfo(zone)).date()
    errors = {}
    if first > today:
        errors["from"] = "This day has not begun yet."
    elif first.year < 2000:
        errors["from"] = "There is nothing from before the year 2000."
    if last > today:
        errors["to"] = "This day has not begun yet."
    elif last < first:
        errors["to"] = "It ends before it begins."
    elif (last - first).days > YEARS_MAX * 366:
        errors["to"] = f"An export is of {YEARS_MAX} years at most."
    if errors:
        raise ValidationError(errors)
    span = days(zone, first, last)
    return Range(span.start, min(span.end, now))


def day_of_text(text: str) -> date:
    """2026-11-27. Raises: ValueError."""
    try:
        found = parse_date(text)
    except ValueError:
        found = None
    if found is None:
        raise ValueError(f"{text!r} is no day: write e.g. 2026-11-27")
    return found
