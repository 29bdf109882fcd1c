"""Limits of rate and allow-lists: who has which, and changing them.

A call must pass the rules of its key, of who holds the key, of its project and of its
organization. Only who manages the organization sets them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Q

from billing.models import Spender, Unit
from billing.models.account import UnitKind
from billing.pricing import tariffs
from portal.models import ApiKey, Organization, Rules
from portal.tenants import addresses, audit, policy
from portal.tenants.errors import PortalError
from portal.tenants.roles import Permission

RATE_MAX = 10**9
ENTRIES_MAX = 100
PATTERN_LENGTH_MAX = 200
# From a call upwards.
LEVELS = (
    "envelope",
    "key",
    UnitKind.MEMBER,
    UnitKind.SERVICE_ACCOUNT,
    UnitKind.PROJECT,
    "organization",
)
RATES = ("requests_per_minute", "tokens_per_minute", "calls_at_once")


class InvalidRules(PortalError):
    """A rule that makes no sense. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class LevelRules:
    """The rules of one subject above a call. `subject_id` is the ledger's: a spender's
    (of a key, that of its first secret), a unit's, or an account's."""

    level: str  # one of LEVELS
    name: str
    subject_id: int
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    calls_at_once: int | None = None
    models: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()


def of_key(key: ApiKey, line: Sequence[Spender]) -> tuple[LevelRules, ...]:
    """All that a call with this key must pass, from the key upwards; `line` are its
    spender and those above it (`lines.above`)."""
    units = [line[0].holder_id, line[0].project_id]
    found = Rules.objects.select_related("unit", "api_key__spender").filter(
        Q(api_key__secrets__spender__in=line)
        | Q(unit__in=[unit for unit in units if unit])
        | Q(unit__isnull=True, api_key__isnull=True),
        organization_id=key.organization_id,
    )
    rules = [_level(row, key.organization) for row in found]
    rules += [_of_run(spender) for spender in line if spender.parent_id is not None]
    return tuple(sorted(rules, key=lambda rule: LEVELS.index(rule.level)))


def _of_run(spender: Spender) -> LevelRules:
    """What its parent lets a run call."""
    run = spender.run
    return LevelRules(
        "envelope", run.label, spender.id, models=listed(run.model_pattern)
    )


def _level(row: Rules, organization: Organization) -> LevelRules:
    level, name, subject_id = "organization", organization.slug, organization.account_id
    if row.unit is not None:
        level, name, subject_id = row.unit.kind, row.unit.label, row.unit.id
    elif row.api_key is not None:
        level, name = "key", row.api_key.name
        subject_id = row.api_key.spender.limited_id
    return LevelRules(
        level,
        name,
        subject_id,
        requests_per_minute=row.requests_per_minute,
        tokens_per_minute=row.tokens_per_minute,
        calls_at_once=row.calls_at_once,
        models=listed(row.model_patterns),
        operations=listed(row.operations),
        networks=listed(row.networks),
    )


def listed(text: str) -> tuple[str, ...]:
    """The entries of a column."""
    return tuple(text.split(",")) if text else ()


@transaction.atomic
def set_rules(
    organization: Organization,
    *,
    actor: audit.Actor,
    key: ApiKey | None = None,
    unit: Unit | None = None,
    requests_per_minute: int | None = None,
    tokens_per_minute: int | None = None,
    calls_at_once: int | None = None,
    models: Iterable[str] = (),
    operations: Iterable[str] = (),
    networks: Iterable[str] = (),
) -> Rules:
    """The rules of the key, the unit, or without both the organization, in the place of
    those that were; what is not said is not limited. They count from the next call on,
    at the latest a minute later. The same again change nothing.

    Raises: NotAllowed, InvalidRules.
    """
    policy.require(actor, organization.pk, Permission.MANAGE_ORGANIZATION)
    _check_subject(organization, key, unit)
    given = Wanted(
        *(requests_per_minute, tokens_per_minute, calls_at_once),
        *(models, operations, networks),
    )
    return put(organization, given, actor=actor, key=key, unit=unit)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Rules as somebody gives them."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    calls_at_once: int | None = None
    models: Iterable[str] = ()
    operations: Iterable[str] = ()
    networks: Iterable[str] = ()

    def columns(self) -> dict[str, Any]:
        """Raises: InvalidRules."""
        return {
            **{name: _rate(name, getattr(self, name)) for name in RATES},
            "model_patterns": _joined("models", self.models, check_pattern),
            "operations": _joined("operations", self.operations, check_operation),
            "networks": _joined("networks", self.networks, check_network),
        }


def put(
    organization: Organization,
    given: Wanted,
    *,
    actor: audit.Actor,
    key: ApiKey | None = None,
    unit: Unit | None = None,
) -> Rules:
    """The same as a part of another change, which has asked the policy.

    Raises: InvalidRules.
    """
    wanted = given.columns()
    subject: dict[str, Any] = {
        "organization": organization,
        "unit": unit,
        "api_key": key,
    }
    known = Rules.objects.select_for_update().filter(**subject).first()
    before = {name: getattr(known or Rules(), name) for name in wanted}
    if known and before == wanted:
        return known
    # --- effects ---
    row, _ = Rules.objects.update_or_create(**subject, defaults=wanted)
    audit.record(
        "rules.set",
        actor=actor,
        organization=organization,
        target=str(key or unit or organization.slug),
        **_differing(before, wanted),
    )
    return row


def _differing(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    changed = [name for name in after if before[name] != after[name]]
    return {
        "before": {name: before[name] for name in changed},
        "after": {name: after[name] for name in changed},
    }


def _check_subject(
    organization: Organization, key: ApiKey | None, unit: Unit | None
) -> None:
    if key is not None and unit is not None:
        raise InvalidRules("Rules have one subject: a key, or a unit above it.")
    if key is not None and key.organization_id != organization.pk:
        raise InvalidRules("This key is another organization's.")
    if unit is not None and unit.account_id != organization.account_id:
        raise InvalidRules("This unit is another organization's.")


def _rate(name: str, value: Any) -> int | None:
    # A bool is an int to Python.
    if value is not None and (type(value) is not int or not 1 <= value <= RATE_MAX):
        raise InvalidRules(
            f"{name} must be a whole number from 1 to {RATE_MAX}, or none."
        )
    return value


def _joined(name: str, entries: Any, check: Any) -> str:
    if isinstance(entries, str) or not isinstance(entries, list | tuple):
        raise InvalidRules(f"{name} must be a list.")
    if len(entries) > ENTRIES_MAX:
        raise InvalidRules(f"{name} may have {ENTRIES_MAX} entries at most.")
    for entry in entries:
        if not isinstance(entry, str):
            raise InvalidRules(f"{name} must be a list of texts.")
        check(entry)
    return ",".join(entries)


def check_pattern(entry: str) -> None:
    """Raises: InvalidRules."""
    is_plain = entry.isascii() and entry.isprintable() and not set(entry) & set(" ,")
    if not is_plain or not 1 <= len(entry) <= PATTERN_LENGTH_MAX:
        raise InvalidRules(
            f"{entry[:80]!r} is no pattern of models: write names as GET /v1/models "
            "lists them, with * for any text."
        )


def check_operation(entry: str) -> None:
    known = tariffs.operations()
    if entry not in known:
        raise InvalidRules(
            f"{entry[:80]!r} is no operation. There are {', '.join(sorted(known))}."
        )


def check_network(entry: str) -> None:
    try:
        addresses.networks((entry,))
    except ValueError:
        raise InvalidRules(
            f"{entry[:80]!r} is no address and no network: write 192.0.2.7 or "
            "192.0.2.0/24."
        ) from None
