"""Fields that forms of several pages have. A page's form is in the page's file."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from billing import budgets
from portal.tenants import names
from portal.tenants.errors import InvalidName, InvalidTimeZone


class TimeZoneField(forms.CharField):
    """The name of a time zone, as the tz database has it."""

    def clean(self, value: Any) -> str:
        name: str = super().clean(value)
        if name not in budgets.time_zones():
            raise ValidationError(InvalidTimeZone.message)
        return name


class NameField(forms.CharField):
    """A name by the rules of `portal/tenants/names.py`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=names.LENGTH_MAX, **options)

    def clean(self, value: Any) -> str:
        try:
            return names.clean(super().clean(value))
        except InvalidName as error:
            raise ValidationError(str(error)) from error
