"""What an act covers, as text: the same from rows that are written and rows that are
read.

Every settlement, release, grant, expiry, correction and amendment is an *act* of its
account. Its digest covers every column of every row that it wrote, and the chain covers
the digests in their order: who changes, adds or deletes a row afterwards leaves a
digest that does not fit (`verification.acts`). Figures that may change later, such as
what remains of a grant, have passes of their own.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from operator import attrgetter, itemgetter
from typing import Any
from uuid import UUID

from django.db import models

from billing.ledger import dialect
from billing.models import (
    Acknowledgement,
    Amendment,
    Burn,
    Correction,
    Entry,
    Envelope,
    Grant,
    Hold,
    TopUp,
    Transfer,
    UsageComponent,
    UsageRecord,
)
from billing.values.digests import digest

Column = tuple[str, str]  # its name and its kind
New = dict[str, Any]  # a row to be written: column → value


def linked(chain: str, number: int, kind: str, subject: str, digest_: str) -> str:
    """The chain with one more act."""
    return digest(f"{chain}|{number}|{kind}|{subject}|{digest_}")


def digest_of(texts: Iterable[str]) -> str:
    """Of rows in whatever order."""
    return digest("\n".join(sorted(texts)))


# --- columns -------------------------------------------------------------------------


def _kind(field: models.Field[Any, Any]) -> str:
    while isinstance(field, models.ForeignKey):
        field = field.target_field
    kinds = (
        (models.JSONField, "json"),
        (models.BooleanField, "bool"),
        (models.DateTimeField, "time"),
        (models.UUIDField, "uuid"),
        (models.CharField, "text"),
        (models.IntegerField, "int"),
    )
    return next(name for kind, name in kinds if isinstance(field, kind))


def _columns(model: type[models.Model], besides: Iterable[str]) -> list[Column]:
    fields = model._meta.concrete_fields
    return [(f.attname, _kind(f)) for f in fields if f.attname not in besides]


def _sql(name: str, kind: str) -> str:
    """A column as `str` has what the ledger writes into it."""
    match kind:
        case "text":
            return name
        case "time":
            text = dialect.time_text(name)
        case "json":
            return f"replace(CAST({name} AS text), ' ', '')"
        case "bool":
            return f"CASE WHEN {name} THEN 'True' ELSE 'False' END"
        case "uuid":
            text = dialect.hex_text(name)
        case _:
            text = f"CAST({name} AS text)"
    return f"coalesce({text}, 'None')"


# Between columns: no value has it, so that nothing can be moved from one to the next.
SEPARATOR = "\x1f"


class Fact:
    """How rows of one table become text."""

    def __init__(
        self,
        name: str,
        model: type[models.Model],
        besides: Iterable[str] = (),
        **written: str,
    ) -> None:
        """`written`: columns that the ledger's row has as text under another name."""
        self.name = name
        self._columns = _columns(model, frozenset(besides))
        names = [written.get(column, column) for column, _ in self._columns]
        self._item, self._attribute = itemgetter(*names), attrgetter(*names)
        self._template = SEPARATOR.join([name, *("%s" for _ in names)])

    def text(self, row: New) -> str:
        """Of a row as the ledger writes it."""
        text: str = self._template % self._item(row)
        return text

    def text_of(self, row: object) -> str:
        """The same, of one whose columns are its attributes."""
        text: str = self._template % self._attribute(row)
        return text

    def sql(self, alias: str) -> str:
        """The same by the database."""
        separator = f" || {dialect.character(ord(SEPARATOR))} || "
        parts = [_sql(f"{alias}.{name}", kind) for name, kind in self._columns]
        return separator.join([f"'{self.name}'", *(f"({part})" for part in parts)])


# What comes to a correction when it is posted or dismissed.
ENDING = {
    *("state", "reason", "charged_micros", "absorbed_micros"),
    *("requests", "ended_at"),
}

HOLD = Fact("hold", Hold, {"seal"}, pins="pins_text", budgets="budgets_text")
USAGE = Fact("usage", UsageRecord)
COMPONENT = Fact("component", UsageComponent)
TRANSFER = Fact("transfer", Transfer)
ENTRY = Fact("entry", Entry)
BURN = Fact("burn", Burn)
GRANT = Fact("grant", Grant, {"remaining_micros", "held_micros"})
NOTE = Fact("note", Correction, ENDING)
CORRECTION = Fact("correction", Correction)
AMENDMENT = Fact("amendment", Amendment)
ACKNOWLEDGEMENT = Fact("acknowledgement", Acknowledgement)
ENVELOPE = Fact("envelope", Envelope)
# Not an act's: a top-up goes on, and has a seal like a hold that runs.
TOPUP = Fact("topup", TopUp, {"seal", "looks", "look_at", "pay_url"})


def seal_of(hold: object) -> str:
    """Over all columns of a hold that has not ended; made anew with each change."""
    return digest(HOLD.text_of(hold))


def seal_of_topup(topup: models.Model) -> UUID:
    """Over all that was ordered, said and done; made anew with each change."""
    return UUID(digest(TOPUP.text(row_of(topup))))


def row_of(instance: models.Model) -> New:
    """A model's instance as the ledger would write it."""
    fields = instance._meta.concrete_fields
    values = {field.attname: getattr(instance, field.attname) for field in fields}
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return dialect.moment(value)
    return value.hex if isinstance(value, UUID) else value
