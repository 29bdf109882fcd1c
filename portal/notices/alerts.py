"""The alerts: of which events people are told, who of them, and if they want it."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction

from portal.models import AlertSetting, Organization, Role
from portal.tenants import audit, policy
from portal.tenants.errors import PortalError
from portal.tenants.roles import Permission

LOW_DAYS = 7
DAYS_MAX, MICROS_MAX = 365, 10**15
MONEY = (Role.OWNER, Role.BILLING)
MANAGERS = (Role.OWNER, Role.ADMIN)
BUDGETS = (Role.OWNER, Role.ADMIN, Role.BILLING)


@dataclass(frozen=True, slots=True)
class Kind:
    """One line of the alerts' page; `holder` is told, too, of what is theirs."""

    name: str
    label: str
    types: tuple[str, ...]
    roles: tuple[str, ...]
    tells_holder: bool = False


KINDS = (
    Kind(
        "balance",
        "Credits run low, are used up, or are enough again",
        ("balance.low", "balance.depleted", "balance.restored"),
        MONEY,
    ),
    Kind(
        "expiring",
        "Credits expire in 30 and in 7 days",
        ("grant.expiring",),
        MONEY,
    ),
    Kind(
        "budgets",
        "50, 80 and 100 % of a budget are used",
        ("budget.threshold_reached", "budget.exceeded"),
        BUDGETS,
        tells_holder=True,
    ),
    Kind(
        "overrun",
        "At its pace a budget runs out before its window ends",
        ("budget.overrun_projected",),
        BUDGETS,
        tells_holder=True,
    ),
    Kind(
        "raises",
        "Somebody asks for more of a budget",
        ("budget.raise_requested",),
        BUDGETS,
    ),
    Kind(
        "spike",
        "A day's spend is three times the mean of the days before",
        ("spend.spike",),
        MONEY,
    ),
    Kind("errors", "A quarter of an hour's calls fail", ("errors.high",), MANAGERS),
    Kind(
        "keys",
        "An API key expires in 30, 20 and 10 days, or was not used for 90",
        ("key.expiring", "key.unused"),
        MANAGERS,
        tells_holder=True,
    ),
    Kind("jobs", "A job is stuck, or lost", ("job.stuck", "job.lost"), MANAGERS),
    Kind(
        "top-ups",
        "An automatic top-up was paid, failed, or is paused",
        ("auto_topup.succeeded", "auto_topup.failed", "auto_topup.paused"),
        MONEY,
    ),
    Kind(
        "schedules",
        "A scheduled export has stopped, as who set it up may not see that any more",
        ("export_schedule.disabled",),
        MANAGERS,
        tells_holder=True,
    ),
    Kind(
        "endpoints",
        "An endpoint was disabled because nothing came through",
        ("endpoint.disabled",),
        MANAGERS,
    ),
)
BY_NAME = {kind.name: kind for kind in KINDS}
BY_TYPE = {type: kind for kind in KINDS for type in kind.types}


class InvalidAlert(PortalError):
    """A kind, or a threshold, that makes no sense. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What is in force; amounts in microcredits. No amount: only the days count."""

    is_on: bool = True
    low_micros: int | None = None
    low_days: int = LOW_DAYS


def settings_of(organization_id: int) -> dict[str, Setting]:
    """Of every kind, by its name."""
    rows = AlertSetting.objects.filter(organization_id=organization_id)
    changed = {
        row.kind: Setting(
            row.is_on,
            row.low_micros,
            LOW_DAYS if row.low_days is None else row.low_days,
        )
        for row in rows
    }
    return {kind.name: changed.get(kind.name, Setting()) for kind in KINDS}


@transaction.atomic
def change(
    organization: Organization, name: str, wanted: Setting, *, actor: audit.Actor
) -> bool:
    """From the next look on; whether that changed anything.

    Raises: NotAllowed, InvalidAlert.
    """
    policy.require(actor, organization.id, Permission.MANAGE_ALERTS)
    if name not in BY_NAME:
        raise InvalidAlert("There is no such alert.")
    if wanted.low_micros is not None and not 0 < wanted.low_micros <= MICROS_MAX:
        raise InvalidAlert("An amount is more than nothing, or none.")
    if not 0 <= wanted.low_days <= DAYS_MAX:
        raise InvalidAlert(f"From 0 to {DAYS_MAX} days.")
    before = settings_of(organization.id)[name]
    if before == wanted:
        return False
    AlertSetting.objects.update_or_create(
        organization=organization,
        kind=name,
        defaults={
            "is_on": wanted.is_on,
            "low_micros": wanted.low_micros,
            "low_days": wanted.low_days,
        },
    )
    audit.record(
        "alert.change",
        actor=actor,
        organization=organization,
        target=name,
        before=_plain(before),
        after=_plain(wanted),
    )
    return True


def _plain(setting: Setting) -> dict[str, object]:
    return {
        "is_on": setting.is_on,
        "low_micros": setting.low_micros,
        "low_days": setting.low_days,
    }
