"""The forms of keys."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from billing.models.budget import Window
from portal.models import Project, ServiceAccount
from portal.pages.keys.fields import DayField, RulesForm, end_of
from portal.pages.parts import tickets
from portal.pages.parts.fields import CreditsField, LongSelect, NameField
from portal.tenants import key_edits
from portal.tenants.errors import InvalidExpiry
from portal.tenants.new_keys import Limits

# The fields of a key's own budgets.
BUDGETS = {f"per_{window.value}": window for window in Window}
LIFETIMES = (
    ("", "Never"),
    ("30", "In 30 days"),
    ("90", "In 90 days"),
    ("date", "At the end of a day:"),
)


class ExpiryForm(forms.Form):
    """When a key ends by itself, in the organization's time zone."""

    lifetime = forms.ChoiceField(
        label="Expires",
        choices=LIFETIMES,
        required=False,
        widget=forms.RadioSelect,
        initial="",
    )
    expires_on = DayField(label="Last day")

    def __init__(self, zone: ZoneInfo, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.zone = zone

    def clean(self) -> dict[str, Any]:
        found: dict[str, Any] = super().clean() or {}
        try:
            found["expires_at"] = self._expires_at(found)
            key_edits.check_expiry(found["expires_at"])
        except ValidationError as error:
            self.add_error("expires_on", error)
        except InvalidExpiry as error:
            self.add_error("expires_on", str(error))
        return found

    def _expires_at(self, found: dict[str, Any]) -> datetime | None:
        match found.get("lifetime"):
            case "30" | "90" as days:
                return timezone.now() + timedelta(days=int(days))
            case "date" if "expires_on" not in self.errors:
                if found.get("expires_on") is None:
                    raise ValidationError("Say which day is its last.")
                return end_of(found["expires_on"], self.zone)
        return None


class KeyForm(ExpiryForm, RulesForm):
    """A new key. `ticket` tells a reloaded page from a second wish."""

    name = NameField(
        help_text="Where the key will live: “checkout service”, “bob's laptop”. "
        "Several keys may be called the same.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "autofocus": True}),
    )
    project = forms.ModelChoiceField(
        Project.objects.none(), empty_label=None, widget=LongSelect
    )
    holder = forms.ModelChoiceField(
        ServiceAccount.objects.none(),
        required=False,
        label="Held by",
        empty_label="You",
        widget=LongSelect,
        help_text="A key of a service account stays when people leave.",
    )
    per_day = CreditsField(label="Credits a day")
    per_week = CreditsField(label="Credits a week")
    per_month = CreditsField(label="Credits a month")
    per_total = CreditsField(label="Credits in total")
    ticket = tickets.TicketField()

    def __init__(
        self,
        projects: Any,
        accounts: Any,
        zone: ZoneInfo,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(zone, *args, **kwargs)
        self.fields["project"].queryset = projects  # type: ignore[attr-defined]
        if accounts is None:
            del self.fields["holder"]
        else:
            self.fields["holder"].queryset = accounts  # type: ignore[attr-defined]

    @property
    def budget_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in BUDGETS]

    def limits(self) -> Limits:
        """As the form that is valid says."""
        found = self.cleaned_data
        budgets = {
            window: found[name] for name, window in BUDGETS.items() if found.get(name)
        }
        return Limits(budgets, self.rules())

    def is_folded(self) -> bool:
        """Whether what is advanced may stay out of sight: nothing is wrong there."""
        shown = {"name", "project", "holder", "lifetime", "expires_on", "ticket"}
        return not set(self.errors) - shown


class NameForm(forms.Form):
    """Another name."""

    name = NameField(widget=forms.TextInput(attrs={"autocomplete": "off"}))


class RotateForm(forms.Form):
    """How long the old secret goes on working beside the new one. `seen` tells a form
    that was sent before, or that is older than another rotation."""

    OVERLAPS = (
        ("168", "7 days"),
        ("24", "24 hours — time to roll out the new secret"),
        ("1", "1 hour"),
        ("0", "Not at all — revoke it now, it may have leaked"),
    )

    overlap = forms.ChoiceField(
        label="The old secret goes on working for",
        choices=OVERLAPS,
        widget=forms.RadioSelect,
        initial="24",
    )
    seen = forms.IntegerField(widget=forms.HiddenInput)


class RevokeForm(forms.Form):
    """The key's name, typed: there is no way back."""

    typed = forms.CharField(
        label="Type the key's name",
        max_length=200,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, name: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.name = name

    def clean_typed(self) -> str:
        typed: str = self.cleaned_data["typed"]
        if typed.strip() != self.name:
            raise ValidationError("This is not the key's name.")
        return typed


class BudgetsForm(forms.Form):
    """A key's own budgets, of every model; nothing written: no limit."""

    per_day = CreditsField(label="Credits a day")
    per_week = CreditsField(label="Credits a week")
    per_month = CreditsField(label="Credits a month")
    per_total = CreditsField(label="Credits in total")

    def wanted(self) -> dict[Window, int | None]:
        return {window: self.cleaned_data[name] for name, window in BUDGETS.items()}


class RightsForm(forms.Form):
    """What may be read with the key beyond its own calls and limits."""

    sees_balance = forms.BooleanField(
        required=False, label="May read the organization's balance"
    )
    sees_project = forms.BooleanField(
        required=False, label="May read what its whole project used"
    )
