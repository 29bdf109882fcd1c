"""Fields of a key's limits: amounts of credits, lists of models and networks."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.core.exceptions import ValidationError

from billing.pricing import tariffs
from portal.tenants import rules
from portal.tenants.rules import InvalidRules

TEXT_MAX = 20_000


class ListField(forms.CharField):
    """A list, an entry a line or with commas; `check` raises InvalidRules."""

    def __init__(self, check: Callable[[str], None], **options: Any) -> None:
        widget = forms.Textarea(
            attrs={"rows": 2, "autocomplete": "off", "spellcheck": "false"}
        )
        super().__init__(max_length=TEXT_MAX, required=False, widget=widget, **options)
        self.check_entry = check

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list | tuple) else value

    def clean(self, value: Any) -> tuple[str, ...]:
        entries = tuple(
            dict.fromkeys(filter(None, re.split(r"[\s,]+", super().clean(value))))
        )
        if len(entries) > rules.ENTRIES_MAX:
            raise ValidationError(f"{rules.ENTRIES_MAX} entries at most.")
        try:
            for entry in entries:
                self.check_entry(entry)
        except InvalidRules as refusal:
            raise ValidationError(str(refusal)) from refusal
        return entries


class RateField(forms.IntegerField):
    """A whole number from 1, or nothing."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            min_value=1, max_value=rules.RATE_MAX, required=False, **options
        )


class DayField(forms.DateField):
    """A day, to whose end something lasts, there where the organization's days are."""

    def __init__(self, **options: Any) -> None:
        widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
        super().__init__(
            required=False, widget=widget, input_formats=["%Y-%m-%d"], **options
        )


def end_of(day: Any, zone: ZoneInfo) -> datetime:
    """The first instant after the day. Raises: ValidationError."""
    try:
        return datetime.combine(day + timedelta(days=1), time.min, zone)
    except OverflowError:
        raise ValidationError("Choose an earlier day.") from None


class RulesForm(forms.Form):
    """What a key may call, from where, and how often; nothing written: no limit."""

    models = ListField(
        rules.check_pattern,
        label="Models",
        help_text="Names or patterns such as openai/*, one a line. Empty: every model.",
    )
    operations = forms.MultipleChoiceField(
        label="Operations",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="None ticked: all of them.",
    )
    networks = ListField(
        rules.check_network,
        label="IP ranges",
        help_text="Addresses or networks such as 192.0.2.0/24. Empty: from anywhere.",
    )
    requests_per_minute = RateField(label="Requests a minute")
    tokens_per_minute = RateField(label="Tokens a minute")
    calls_at_once = RateField(label="Calls at once")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = sorted(tariffs.operations())
        self.fields["operations"].choices = [  # type: ignore[attr-defined]
            (name, name) for name in known
        ]

    def rules(self) -> rules.Wanted:
        """As the form that is valid says."""
        found = self.cleaned_data
        return rules.Wanted(
            *(found["requests_per_minute"], found["tokens_per_minute"]),
            found["calls_at_once"],
            *(found["models"], tuple(found["operations"]), found["networks"]),
        )
