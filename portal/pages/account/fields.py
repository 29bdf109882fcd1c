"""Fields of the forms here, with our labels."""

from __future__ import annotations

from typing import Any

from django import forms
from django.forms.fields import InvalidJSONInput

from portal.models import User


class AddressField(forms.EmailField):
    """An e-mail address in its one form, whatever its spelling."""

    def __init__(self, **options: Any) -> None:
        attributes = {"autocomplete": "username", "inputmode": "email"}
        options.setdefault("label", "E-mail address")
        options.setdefault("widget", forms.EmailInput(attrs=attributes))
        super().__init__(max_length=254, **options)

    def to_python(self, value: Any) -> str:
        return User.objects.normalize_email(super().to_python(value))


class PasskeyField(forms.JSONField):
    """What a browser says of a passkey, JSON; `kind` is fido2's class that reads it.

    Strangers send it, too: what is none raises whatever it likes in there, as JSON of
    too many levels or digits does before.
    """

    def __init__(self, kind: Any) -> None:
        super().__init__(widget=forms.HiddenInput)
        self._kind = kind

    def to_python(self, value: Any) -> Any:
        try:
            found = super().to_python(value)
            if found is not None:
                self._kind.from_dict(found)
        except forms.ValidationError:
            raise
        except Exception:  # noqa: BLE001  it is nobody's promise what it raises
            raise forms.ValidationError("That is not a passkey.") from None
        return found

    def bound_data(self, data: Any, initial: Any) -> Any:
        """It is never shown again."""
        return InvalidJSONInput("")


def password(label: str, *, is_new: bool = False) -> forms.CharField:
    """One of at most 1,000 characters: more is work for nobody's good."""
    autocomplete = "new-password" if is_new else "current-password"
    return forms.CharField(
        label=label,
        strip=False,
        max_length=1_000,
        help_text="At least 12 characters, and not a common one." if is_new else "",
        widget=forms.PasswordInput(attrs={"autocomplete": autocomplete}),
    )


def code(label: str, help_text: str = "") -> forms.CharField:
    """A code to type: from a mail, an app or a list."""
    attributes = {"autocomplete": "one-time-code", "autocapitalize": "characters"}
    return forms.CharField(
        label=label,
        max_length=40,
        help_text=help_text,
        widget=forms.TextInput(attrs=attributes),
    )
