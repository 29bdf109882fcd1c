"""Calls that the gateway refused: counted by quarter of an hour, key and code, and the
latest of each key in full. Bounded in both, and deleted after KEPT.

The gateway notes them beside its calls; who may see a call sees a refusal alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F, QuerySet, Sum, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from billing import purging
from billing.reports import keys
from billing.reports.periods import QUARTER, Range
from billing.reports.usage import Chosen, Dimension
from portal.models import KeySecret, RefusedCount, RefusedRequest

KEPT = timedelta(days=30)
LATEST = 20  # of each key
# Of an organization in a quarter of an hour; more are counted together, as REST.
ROWS_MAX = 200
REST = "others"
CODE_MAX, MESSAGE_MAX, OPERATION_MAX, MODEL_MAX = 40, 600, 40, 200

# The ledger's spender of the secret, when the quarter of an hour began, and the code.
Counts = Mapping[tuple[int, datetime, str], int]


class Told(NamedTuple):
    """One refusal, as the client was told."""

    id: UUID
    spender_id: int
    at: datetime
    code: str
    status: int
    message: str
    operation: str
    model: str


class _Whose(NamedTuple):
    """Of which organization and key a secret is, and who holds it now."""

    organization_id: int
    first_id: int
    holder_id: int


_Row = tuple[int, datetime, int, int, str]

_ADD = (
    "INSERT INTO portal_refusedcount "
    "(organization_id, starts_at, spender_id, holder_id, code, requests) "
    "VALUES (%s, %s, %s, %s, %s, %s) "
    "ON CONFLICT (organization_id, starts_at, spender_id, holder_id, code) "
    "DO UPDATE SET requests = portal_refusedcount.requests + excluded.requests"
)


def quarter_of(moment: datetime) -> datetime:
    """When its quarter of an hour began."""
    seconds = int(moment.timestamp()) // 900 * 900
    return datetime.fromtimestamp(seconds, UTC)


@transaction.atomic
def note(counts: Counts, latest: Sequence[Told]) -> None:
    """Add them to what is known. What is of no key is left out."""
    spenders = {each[0] for each in counts} | {told.spender_id for told in latest}
    whose = _whose(spenders)
    _count(_folded(counts, whose))
    kept = [told for told in latest if told.spender_id in whose]
    RefusedRequest.objects.bulk_create(
        [_request(told, whose[told.spender_id]) for told in kept],
        ignore_conflicts=True,
    )
    _trim({whose[told.spender_id].first_id for told in kept})


def _whose(spenders: set[int]) -> dict[int, _Whose]:
    found = KeySecret.objects.filter(spender__in=spenders).values_list(
        "spender_id", "key__organization_id", "spender__holder_id"
    )
    rows = list(found)
    first = keys.first_keys(row[0] for row in rows)
    return {
        spender: _Whose(organization, first.get(spender, spender), holder or 0)
        for spender, organization, holder in rows
    }


def _folded(counts: Counts, whose: Mapping[int, _Whose]) -> dict[_Row, int]:
    """Rows to add to; the rest of an organization that has too many, in one."""
    wanted: dict[_Row, int] = {}
    for (spender, starts_at, code), number in counts.items():
        if (of := whose.get(spender)) is not None:
            row = (of.organization_id, starts_at, of.first_id, of.holder_id, code)
            wanted[row] = wanted.get(row, 0) + number
    known = set(
        RefusedCount.objects.filter(
            organization__in={row[0] for row in wanted},
            starts_at__in={row[1] for row in wanted},
        ).values_list("organization_id", "starts_at", "spender_id", "holder_id", "code")
    )
    folded: dict[_Row, int] = {}
    rows: dict[tuple[int, datetime], int] = {}
    for row in known:
        rows[row[:2]] = rows.get(row[:2], 0) + 1
    for row, number in wanted.items():
        if row not in known:
            if rows.get(row[:2], 0) >= ROWS_MAX:
                row = (*row[:2], 0, 0, REST)
            else:
                rows[row[:2]] = rows.get(row[:2], 0) + 1
        folded[row] = folded.get(row, 0) + number
    return folded


def _count(rows: Mapping[_Row, int]) -> None:
    adapt = connection.ops.adapt_datetimefield_value
    with connection.cursor() as cursor:
        # In one order, so that processes that write at once wait, and do not lock up.
        cursor.executemany(
            _ADD,
            [
                (organization, adapt(starts_at), spender, holder, code, number)
                for (organization, starts_at, spender, holder, code), number in sorted(
                    rows.items()
                )
            ],
        )


def _request(told: Told, of: _Whose) -> RefusedRequest:
    return RefusedRequest(
        id=told.id,
        organization_id=of.organization_id,
        at=told.at,
        spender_id=of.first_id,
        holder_id=of.holder_id,
        code=told.code[:CODE_MAX],
        status=told.status,
        message=told.message[:MESSAGE_MAX],
        operation=told.operation[:OPERATION_MAX],
        model=told.model[:MODEL_MAX],
    )


def _trim(first_ids: set[int]) -> None:
    """Leave the latest of each of these keys."""
    place = Window(
        RowNumber(),
        partition_by=F("spender_id"),
        order_by=[F("at").desc(), F("id").desc()],
    )
    rows = RefusedRequest.objects.filter(spender_id__in=first_ids)
    late = rows.annotate(place=place).filter(place__gt=LATEST)
    RefusedRequest.objects.filter(
        pk__in=list(late.values_list("pk", flat=True))
    ).delete()


def forget_old() -> int:
    """Delete what is older than KEPT; how many rows."""
    before = timezone.now() - KEPT
    counts = RefusedCount.objects.filter(starts_at__lt=before)
    requests = RefusedRequest.objects.filter(at__lt=before)
    # The oldest have the first ids, so there is no index to keep.
    return sum(purging.purge(rows.order_by("pk")) for rows in (counts, requests))


# --- what is shown -------------------------------------------------------------------


def counted(organization_id: int, chosen: Chosen, span: Range) -> list[tuple[str, int]]:
    """Codes and how many of each, in the quarters of an hour that the span touches;
    the most first."""
    rows = RefusedCount.objects.filter(
        organization=organization_id,
        starts_at__gt=span.start - QUARTER,
        starts_at__lt=span.end,
    )
    found = _narrowed(rows, chosen).values_list("code").annotate(sum=Sum("requests"))
    return list(found.order_by("-sum", "code"))


def requests_of(organization_id: int, chosen: Chosen) -> QuerySet[RefusedRequest]:
    """The latest that are kept of each key."""
    rows = RefusedRequest.objects.filter(organization=organization_id)
    return _narrowed(rows, chosen)


def find(
    organization_id: int, chosen: Chosen, request_id: UUID
) -> RefusedRequest | None:
    """None for another's, and for one that is not kept."""
    return requests_of(organization_id, chosen).filter(pk=request_id).first()


def _narrowed(rows: QuerySet, chosen: Chosen) -> QuerySet:  # type: ignore[type-arg]  # either table's
    """Of the keys and holders that are chosen; nobody's, where others are meant."""
    columns = {Dimension.KEY: "spender_id__in", Dimension.HOLDER: "holder_id__in"}
    for dimension, column in columns.items():
        if dimension in chosen.of:
            rows = rows.filter(**{column: chosen.of[dimension]})
    return rows
