"""The part of a form that asks whose each key of somebody who leaves becomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from django import forms

from billing.reports import spend
from portal.models import ApiKey, Membership
from portal.pages.parts.fields import LongSelect
from portal.tenants import heirs
from portal.tenants.keys import Holder

REVOKE = "revoke"


class Asked(NamedTuple):
    """A key, when it was last used, and the field that asks for its heir."""

    key: ApiKey
    last_used: Any
    field: forms.BoundField


class HeirsForm(forms.Form):
    """A key that is made after the page was opened is asked for: nothing is revoked
    that was not shown."""

    def __init__(
        self,
        leaving: Membership,
        chosen: Sequence[ApiKey],
        *args: Any,
        preferred: Mapping[UUID, Holder] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.chosen = list(chosen)
        found = heirs.candidates(leaving.organization, leaving) if self.chosen else []
        self.holders = {name_of(each): each for each in found}
        for key in self.chosen:
            options = [
                (name, each.unit.label)
                for name, each in self.holders.items()
                if heirs.may_inherit(each, key.project_id)
            ]
            heir = (preferred or {}).get(key.pk)
            self.fields[str(key.pk)] = forms.TypedChoiceField(
                label=f"{key.name} goes to",
                choices=[(REVOKE, "nobody: revoke it"), *options],
                initial=name_of(heir) if heir else REVOKE,
                coerce=self.holders.get,
                widget=LongSelect,
            )

    def wishes(self) -> dict[UUID, Holder | None]:
        return {key.pk: self.cleaned_data[str(key.pk)] for key in self.chosen}

    def given(self) -> dict[UUID, Holder]:
        """Those that somebody gets."""
        return {pk: heir for pk, heir in self.wishes().items() if heir is not None}

    def asked(self) -> list[Asked]:
        used = spend.last_used([key.spender_id for key in self.chosen])
        return [
            Asked(key, used.get(key.spender_id), self[str(key.pk)])
            for key in self.chosen
        ]


def name_of(holder: Holder) -> str:
    """In the form: "membership-7"."""
    return f"{type(holder).__name__.lower()}-{holder.pk}"
