"""Operations on documents, for the tables of operations; and months that are over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from billing.reports.periods import Range
from billing.values import clock
from portal.documents import exports, months, schedules
from portal.documents.kinds import Format, Kind
from portal.models import Every, Organization
from portal.tenants import cost_labels
from tests.support.portal.worlds import Act, Do, World


@contextmanager
def later(**step: float) -> Iterator[None]:
    """The same, so much later."""
    before, moment = clock.source, clock.now() + timedelta(**step)
    clock.source = lambda: moment
    try:
        yield
    finally:
        clock.source = before


def this_month() -> str:
    return datetime.now(UTC).strftime("%Y-%m")


def close_next(organization: Organization, **more: Any) -> Any:
    with later(days=40):
        return months.close(organization, this_month(), **more)


def end_next(organization: Organization, **more: Any) -> Any:
    with later(days=40):
        return months.end_month(organization, this_month(), **more)


def ask_days(organization: Organization, **more: Any) -> Any:
    today = datetime.now(UTC).date()
    return exports.ask(organization, Kind.LEDGER, Format.CSV, today, today, **more)


def start_hour(organization: Organization, **more: Any) -> Any:
    now = clock.now()
    span = Range(now - timedelta(hours=1), now)
    return exports.start(organization, Kind.LEDGER, Format.CSV, span, **more)


def schedule(organization: Organization, **more: Any) -> Any:
    return schedules.create(
        organization,
        Kind.LEDGER,
        Format.CSV,
        Every.DAY,
        mails=True,
        to_storage=False,
        **more,
    )


def by_owner(operation: Any) -> Any:
    return lambda it: partial(operation, it.organization, actor=it.actor)


def deleted(world: World) -> Do:
    made = schedule(world.organization, actor=world.actor)
    return partial(schedules.delete, made, actor=world.actor)


def objects_of(organization: Organization, actor: Any) -> dict[str, object]:
    """Of a neighbour: the month that runs, an export, a schedule; no receipt."""
    return {
        "month": this_month(),
        "export": start_hour(organization, actor=actor).pk,
        "schedule": schedule(organization, actor=actor).pk,
        "receipt": 10**6,
    }


COSTS: Any = ("4711", {"team": "search"})
ACTS_OF_DOCUMENTS: dict[str, Act] = {
    "months.close": Act(by_owner(close_next), ("statement.close",)),
    "months.end_month": Act(
        by_owner(end_next), ("statement.close", *("export.ask",) * 4)
    ),
    "exports.ask": Act(by_owner(ask_days), ("export.ask",), True),
    "exports.start": Act(by_owner(start_hour), ("export.ask",), True),
    "schedules.create": Act(by_owner(schedule), ("export_schedule.create",), True),
    "schedules.delete": Act(deleted, ("export_schedule.delete",)),
    "cost_labels.set_of_project": Act(
        lambda it: partial(
            cost_labels.set_of_project, it.default, *COSTS, actor=it.actor
        ),
        ("project.set_costs",),
    ),
    "cost_labels.set_of_key": Act(
        lambda it: partial(cost_labels.set_of_key, it.key, *COSTS, actor=it.actor),
        ("api_key.set_costs",),
    ),
}
# They only answer.
PARTS_OF_DOCUMENTS = {"exports.may"}
