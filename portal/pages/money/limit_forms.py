"""The forms of limits: a new one, another amount, more for a time, an answer."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.core.exceptions import ValidationError

from billing.budgets import Subject
from billing.models import Unit
from billing.models.account import UnitKind
from billing.models.budget import Level, Window
from billing.pricing import tariffs
from billing.reports.replay import Proposal
from billing.values.amounts import micros_of
from billing.values.orders import AMOUNT_MICROS_MAX
from portal.models import ApiKey, Membership, Organization, ServiceAccount
from portal.pages.money.instants import FutureField, written
from portal.pages.parts.fields import LongSelect
from portal.tenants import reasons

LEVELS = (
    (Level.ORGANIZATION, "Everybody in the organization"),
    (Level.PROJECT, "A project"),
    (Level.MEMBER, "A member or service account"),
    (Level.MEMBER_IN_PROJECT, "A member or service account in one project"),
    (Level.KEY, "An API key"),
)
WINDOWS = (
    (Window.DAY, "A day"),
    (Window.WEEK, "A week, from Monday"),
    (Window.MONTH, "A month"),
    (Window.TOTAL, "In all, for good"),
)
# Which fields say whom each level binds.
NEEDED: dict[str, tuple[str, ...]] = {
    Level.ORGANIZATION: (),
    Level.PROJECT: ("project",),
    Level.MEMBER: ("holder",),
    Level.MEMBER_IN_PROJECT: ("project", "holder"),
    Level.KEY: ("key",),
}


class CreditsField(forms.CharField):
    """Credits as people write them, “1,500” or “0.5”; cleaned: microcredits."""

    def __init__(self, **options: Any) -> None:
        attrs = {"inputmode": "decimal", "autocomplete": "off"}
        super().__init__(max_length=24, widget=forms.TextInput(attrs=attrs), **options)

    def clean(self, value: Any) -> Any:
        text: str = super().clean(value)
        try:
            micros = micros_of(text.replace(",", "").replace(" ", ""))
        except ValueError:
            raise ValidationError(
                "Write credits as 1500 or 0.5, with six decimals at most."
            ) from None
        if not 1 <= micros <= AMOUNT_MICROS_MAX:
            raise ValidationError("Choose more than 0 and at most 1,000,000,000.")
        return micros


class LimitForm(forms.Form):
    """A limit: whom it binds, for how long, of what, how much."""

    level = forms.ChoiceField(label="Whom it binds", choices=LEVELS)
    project = forms.ModelChoiceField(
        Unit.objects.none(), required=False, empty_label="—", widget=LongSelect
    )
    holder = forms.ModelChoiceField(
        Unit.objects.none(),
        label="Member or service account",
        required=False,
        empty_label="—",
        widget=LongSelect,
    )
    key = forms.ModelChoiceField(
        ApiKey.objects.none(),
        label="API key",
        required=False,
        empty_label="—",
        widget=LongSelect,
    )
    credits = CreditsField(label="Credits")
    window = forms.ChoiceField(label="Within", choices=WINDOWS)
    model_pattern = forms.CharField(
        label="Models",
        required=False,
        max_length=200,
        help_text="Empty for all. Patterns with *, between commas: openai/*, *mini.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    operation = forms.ChoiceField(required=False)
    counts_spend_so_far = forms.BooleanField(
        label="What was spent so far counts",
        help_text="Of the window that runs now. Else it counts from this moment.",
        required=False,
        initial=True,
    )

    def __init__(self, organization: Organization, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        units = Unit.objects.filter(account_id=organization.account_id, is_open=True)
        holders = [
            *Membership.objects.filter(organization=organization).values("unit_id"),
            *ServiceAccount.objects.filter(organization=organization).values("unit_id"),
        ]
        ids = [each["unit_id"] for each in holders]
        keys = ApiKey.objects.filter(
            organization=organization, revoked_at=None, spender__parent__isnull=True
        )
        choices: dict[str, Any] = {
            "project": units.filter(kind=UnitKind.PROJECT).order_by("label"),
            "holder": units.filter(id__in=ids).order_by("label"),
            "key": keys.order_by("-created_at"),
        }
        for name, queryset in choices.items():
            field: Any = self.fields[name]
            field.queryset = queryset
        project: Any = self.fields["project"]
        project.label_from_instance = _label
        holder: Any = self.fields["holder"]
        holder.label_from_instance = _label
        key: Any = self.fields["key"]
        key.label_from_instance = _name
        operations = [(name, name) for name in sorted(tariffs.operations())]
        operation: Any = self.fields["operation"]
        operation.choices = [("", "All"), *operations]

    def clean_model_pattern(self) -> str:
        parts = self.cleaned_data["model_pattern"].split(",")
        if not all(map(str.strip, parts)) and len(parts) > 1:
            raise ValidationError("A pattern between two commas is empty.")
        return ",".join(part.strip() for part in parts)

    def clean(self) -> dict[str, Any]:
        found = self.cleaned_data
        for name in NEEDED.get(found.get("level", ""), ()):
            if not found.get(name) and name not in self.errors:
                self.add_error(name, "Choose one: this limit is of it.")
        return found

    @property
    def proposal(self) -> Proposal:
        """Of a valid form; what the level does not need is left out."""
        found, level = self.cleaned_data, Level(self.cleaned_data["level"])
        of = {name: found[name] for name in NEEDED[level]}
        return Proposal(
            Subject(
                level,
                project_id=of["project"].id if "project" in of else None,
                holder_id=of["holder"].id if "holder" in of else None,
                spender_id=of["key"].spender_id if "key" in of else None,
            ),
            Window(found["window"]),
            found["credits"],
            found["model_pattern"],
            found["operation"],
        )


def _label(unit: Unit) -> str:
    return unit.label


def _name(key: ApiKey) -> str:
    return key.name


class AmountForm(forms.Form):
    """Another amount for a limit that there is."""

    credits = CreditsField(label="Credits")
    counts_spend_so_far = forms.BooleanField(
        label="What was spent so far counts",
        help_text="Of the window that runs now. Else it counts from this moment.",
        required=False,
        initial=True,
    )


class MoreForm(forms.Form):
    """So much more until then: granted at once, or asked for."""

    credits = CreditsField(label="Credits more")
    reason = forms.CharField(
        max_length=reasons.LENGTH_MAX,
        help_text="What for. It is kept in the audit log.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    ticket = forms.CharField(
        max_length=64, widget=forms.HiddenInput, initial=secrets.token_urlsafe
    )

    def __init__(self, zone: ZoneInfo, now: datetime, *args: Any) -> None:
        super().__init__(*args)
        midnight = (now.astimezone(zone) + timedelta(days=1)).replace(
            hour=23, minute=59, second=0, microsecond=0
        )
        widget = forms.DateTimeInput(attrs={"step": "1"})
        widget.input_type = "datetime-local"
        self.fields["until"] = FutureField(
            zone, now, label="Until", initial=written(midnight, zone), widget=widget
        )
        self.order_fields(["credits", "until", "reason"])


class RefuseForm(forms.Form):
    """Why not."""

    reason = forms.CharField(
        max_length=reasons.LENGTH_MAX,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
