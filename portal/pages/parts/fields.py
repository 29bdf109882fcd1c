"""Fields that forms of several pages have. A page's form is in the page's file."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.utils import flatatt
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from billing import budgets
from billing.values.amounts import credits_text, micros_of
from billing.values.orders import AMOUNT_MICROS_MAX
from portal.tenants import names
from portal.tenants.errors import InvalidName, InvalidTimeZone

SELECTED = mark_safe(" selected")


class LongSelect(forms.Select):
    """A choice of hundreds, written in one go: Django's own widget renders a template
    for each option, and a list of 1,000 keys would be most of its page's time."""

    def render(
        self, name: str, value: Any, attrs: Any = None, renderer: Any = None
    ) -> SafeString:
        of_select = flatatt(self.build_attrs(self.attrs, attrs))
        chosen = set(self.format_value(value))
        options = format_html_join(
            "",
            '<option value="{}"{}>{}</option>',
            (
                (key, SELECTED if str(key) in chosen else "", label)
                for key, label in self.choices
            ),
        )
        return format_html('<select name="{}"{}>{}</select>', name, of_select, options)


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
        text: str = super().clean(value)
        if not text:  # and none is required
            return ""
        try:
            return names.clean(text)
        except InvalidName as error:
            raise ValidationError(str(error)) from error


class CreditsField(forms.CharField):
    """An amount of credits, as microcredits; None where nothing is written."""

    def __init__(self, **options: Any) -> None:
        widget = forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"})
        super().__init__(max_length=40, required=False, widget=widget, **options)

    def prepare_value(self, value: Any) -> Any:
        return credits_text(value) if isinstance(value, int) else value

    def clean(self, value: Any) -> int | None:
        text = super().clean(value).replace(",", "").replace("\u202f", "")
        if not text:
            return None
        try:
            micros = micros_of(text)
        except ValueError:
            raise ValidationError(
                "Write credits: digits, and up to six decimals after a point."
            ) from None
        if not 1 <= micros <= AMOUNT_MICROS_MAX:
            most = credits_text(AMOUNT_MICROS_MAX)
            raise ValidationError(f"More than nothing, and {most} credits at most.")
        return micros

    def has_changed(self, initial: Any, data: Any) -> bool:
        """By the amount, not by how it is written."""
        try:
            return self.clean(initial) != self.clean(data)
        except ValidationError:
            return True
