"""Which keys are one: those that were rotated one into the next, and a key's runs.

The subject is the first of them, whose id is the lowest: a successor, and a run, is
made after what it comes from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db import connection

from billing.ledger import dialect
from billing.models import Spender, Unit

_BIGINT = "::bigint" if dialect.IS_POSTGRES else ""
_LIST = (
    "jsonb_array_elements_text(%s::jsonb)" if dialect.IS_POSTGRES else "json_each(%s)"
)
_UP = (
    f"WITH RECURSIVE up(id, above) AS (SELECT value{_BIGINT}, value{_BIGINT} FROM {_LIST} "  # noqa: E501, S608
    "UNION SELECT up.id, coalesce(s.counts_as_id, s.parent_id) "
    "FROM up JOIN billing_spender s ON s.id = up.above "
    "WHERE s.counts_as_id IS NOT NULL OR s.parent_id IS NOT NULL) "
)
# For each of a JSON list of spenders the first of those that it is one with.
FIRST = f"{_UP}SELECT id, min(above) FROM up GROUP BY id"  # noqa: S608
_DOWN = (
    f"WITH RECURSIVE down(id) AS (SELECT value{_BIGINT} FROM {_LIST} "  # noqa: S608
    "UNION SELECT s.id FROM down JOIN billing_spender s "
    "ON s.parent_id = down.id OR s.counts_as_id = down.id) SELECT id FROM down"
)


def first_keys(spender_ids: Iterable[int]) -> dict[int, int]:
    """For each of them the first of those that it is one with; itself, mostly."""
    with connection.cursor() as cursor:
        cursor.execute(FIRST, [dialect.json(sorted(spender_ids))])
        return dict(cursor.fetchall())


def same_keys(first_ids: Sequence[object]) -> list[int]:
    """These, and what was rotated out of them or run by them."""
    with connection.cursor() as cursor:
        cursor.execute(_DOWN, [dialect.json(list(first_ids))])
        return [row[0] for row in cursor.fetchall()]


def key_names(first_ids: Iterable[int]) -> dict[int, str]:
    """As the latest of each that is one is called now; a key that is gone keeps its
    name."""
    ids = list(first_ids)
    names = dict(Spender.objects.filter(id__in=ids).values_list("id", "label"))
    rotated = Spender.objects.filter(counts_as__in=ids, parent__isnull=True)
    for first, label in rotated.order_by("id").values_list("counts_as", "label"):
        names[first or 0] = label
    return names


def unit_names(unit_ids: Iterable[int]) -> dict[int, str]:
    """As each project, member and service account is called now, or was at its end."""
    found = Unit.objects.filter(id__in=list(unit_ids))
    return dict(found.values_list("id", "label"))
