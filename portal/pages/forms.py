"""What people may type into the pages: fields are listed, never a model's."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError
from django.utils import timezone

from portal.models import Organization, Project
from portal.tenants import names
from portal.tenants.errors import InvalidName


class SignInForm(AuthenticationForm):
    """One answer to an unknown address and to a wrong password."""

    error_messages = {  # noqa: RUF012  Django's own shape
        "invalid_login": "That e-mail address and password do not match.",
        "inactive": "That e-mail address and password do not match.",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = "E-mail address"
        self.fields["username"].widget.attrs.update(
            {"autocomplete": "username", "inputmode": "email", "autofocus": True}
        )


class NameField(forms.CharField):
    """A name by the rules of `portal/tenants/names.py`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=names.LENGTH_MAX, **options)

    def clean(self, value: Any) -> str:
        try:
            return names.clean(super().clean(value))
        except InvalidName as error:
            raise ValidationError(str(error)) from error


class KeyForm(forms.Form):
    """A new key. `ticket` tells a reloaded page from a second wish."""

    LIFETIMES = (("", "Never"), ("30", "In 30 days"), ("90", "In 90 days"))

    name = NameField(
        help_text="Where the key will live: “checkout service”, “bob's laptop”.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "autofocus": True}),
    )
    project = forms.ModelChoiceField(Project.objects.none(), empty_label=None)
    lifetime = forms.ChoiceField(
        label="Expires",
        choices=LIFETIMES,
        required=False,
        widget=forms.RadioSelect,
        initial="",
    )
    ticket = forms.CharField(
        max_length=64, widget=forms.HiddenInput, initial=secrets.token_urlsafe
    )

    def __init__(self, organization: Organization, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        projects = self.fields["project"]
        assert isinstance(projects, forms.ModelChoiceField)
        projects.queryset = organization.projects.order_by("-is_default", "name")

    def expires_at(self) -> datetime | None:
        days = self.cleaned_data["lifetime"]
        return timezone.now() + timedelta(days=int(days)) if days else None


class RotateForm(forms.Form):
    """How long the old key goes on working beside the new one."""

    OVERLAPS = (
        ("24", "24 hours — time to roll out the new key"),
        ("1", "1 hour"),
        ("0", "Not at all — revoke it now, it may have leaked"),
    )

    overlap = forms.ChoiceField(
        label="The old key goes on working for",
        choices=OVERLAPS,
        widget=forms.RadioSelect,
        initial="24",
    )

    def duration(self) -> timedelta:
        return timedelta(hours=int(self.cleaned_data["overlap"]))


class OrganizationForm(forms.Form):
    """An organization's settings. Each field brings back what the page had shown, so
    that a page left open does not undo what somebody else has changed since."""

    name = NameField(
        help_text="Shown to its members.",
        show_hidden_initial=True,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    stores_replies = forms.BooleanField(
        label="Keep replies for retries",
        help_text="For clients that lost an answer on its way, and ask again.",
        required=False,
        show_hidden_initial=True,
    )

    def changes(self) -> dict[str, Any]:
        """What was changed by hand, by the field's name."""
        return {field: self.cleaned_data[field] for field in self.changed_data}
