"""What may be changed of a member, a form for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from portal.models import Organization, Project, Role, User
from portal.pages.parts import tickets
from portal.pages.parts.fields import CreditsField
from portal.tenants import policy
from portal.tenants.tenancy import Tenant

BUSY = "Nothing was changed: the account is busy. Try again."
ROLES = {
    Role.OWNER: "Owner — everything, owners and sign-in rules too",
    Role.ADMIN: "Admin — everything but owners and sign-in rules",
    Role.DEVELOPER: "Developer — makes keys, sees what they spend",
    Role.BILLING: "Billing — sees money, usage and members, sets budgets",
    Role.VIEWER: "Viewer — sees usage",
}
EVERYWHERE, SOME = "all", "some"


def assignable(tenant: Tenant) -> list[Role]:
    """The roles that this person may give and take."""
    return [role for role in Role if policy.may_assign(tenant.role, role)]


def open_projects(organization: Organization) -> Any:
    found = organization.projects.filter(archived_at=None)
    return found.order_by("-is_default", "name")


class FreshForm(forms.Form):
    """It brings back what the page had shown, as `was`: a page left open does not undo
    what somebody else has changed since. `now`: what it would show now."""

    was = forms.CharField(max_length=10_000, widget=forms.HiddenInput, required=False)

    def __init__(self, now: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.now = now
        was = self.fields["was"]
        was.initial = now
        # A page has several of these.
        was.widget.attrs["id"] = f"{type(self).__name__.lower()}-was"

    def clean(self) -> dict[str, Any] | None:
        if self.cleaned_data.get("was") != self.now:
            # The next try is about what is shown now.
            sent: Any = self.data
            self.data = shown = sent.copy()
            shown["was"] = self.now
            raise ValidationError(
                "Somebody has changed this meanwhile. Look at it again, then save."
            )
        return self.cleaned_data


class RoleField(forms.Form):
    """A role among those that may be given."""

    role = forms.ChoiceField(label="Role", widget=forms.RadioSelect)

    def offer(self, found: Sequence[Role]) -> None:
        choices = [(role.value, ROLES[role]) for role in found]
        self.fields["role"].choices = choices  # type: ignore[attr-defined]


class RoleForm(FreshForm, RoleField):
    """`found`: the roles that may be given."""

    def __init__(
        self, found: Sequence[Role], now: str, *args: Any, **kwargs: Any
    ) -> None:
        super().__init__(now, *args, **kwargs)
        self.offer(found)


class ProjectsFields(forms.Form):
    """In all projects, or only in some."""

    reach = forms.ChoiceField(
        label="Where they make and see keys",
        choices=((EVERYWHERE, "In all projects"), (SOME, "Only in these:")),
        widget=forms.RadioSelect,
        initial=EVERYWHERE,
    )
    projects = forms.ModelMultipleChoiceField(
        Project.objects.none(),
        label="Projects",
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )

    def offer_projects(self, organization: Organization) -> None:
        found = open_projects(organization)
        self.fields["projects"].queryset = found  # type: ignore[attr-defined]

    def wanted(self) -> list[Project] | None:
        """None: all."""
        if self.cleaned_data["reach"] == EVERYWHERE:
            return None
        return list(self.cleaned_data["projects"])


class ProjectsForm(FreshForm, ProjectsFields):
    """Of a member."""

    def __init__(
        self, organization: Organization, now: str, *args: Any, **kwargs: Any
    ) -> None:
        super().__init__(now, *args, **kwargs)
        self.offer_projects(organization)


class CapForm(forms.Form):
    """What the member's keys may spend in a month, all together."""

    cap = CreditsField(
        label="Cap a month, in credits",
        help_text="A hard limit on all keys that they hold. Empty: none of their own.",
        show_hidden_initial=True,
    )


class ConfirmForm(forms.Form):
    """The name is typed again, before something that cannot be undone."""

    name = forms.CharField(
        max_length=320, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )

    ticket = tickets.TicketField()

    def __init__(self, expected: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.expected = expected
        self.fields["name"].label = f"Type {expected} to confirm"

    def clean_name(self) -> str:
        typed: str = self.cleaned_data["name"]
        if User.objects.normalize_email(typed) != self.expected:
            raise ValidationError(f"That is not {self.expected}.")
        return typed
