"""The figures of a statement: opening + top-ups + grants − usage − expiry ± corrections
= closing, to the microcredit.

Opening and closing are read from the account's entries, usage from the sums that the
pages of usage show, all the rest from transfers (`explain.py`): `gap_micros` compares
them. A project has no credits of its own: its statement says what it had been charged
before, in this month, and in all.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from billing.models import Account, Grant
from billing.models.grant import GrantSource
from billing.reports import keys
from billing.reports.explain import Explanation, Line, Share, Why, explain
from billing.reports.periods import Range
from billing.reports.usage import NOTHING, Chosen, Dimension, Figures, figures
from billing.values.amounts import credits_text

TOP_UPS = (Why.PURCHASE,)
GRANTS = (Why.PROMOTION, Why.TRIAL, Why.ADJUSTMENT, Why.CREDIT)
EXPIRY = (Why.EXPIRE,)
USAGE = (Why.USAGE,)
# All that is in none of the others.
CORRECTIONS = tuple(
    why for why in Why if why not in (*TOP_UPS, *GRANTS, *EXPIRY, *USAGE)
)
# Before anything was ever booked.
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Purchase:
    """Credits that were bought; `reference` is the top-up's, or the operator's."""

    at: datetime
    amount_micros: int
    reference: str
    reason: str


@dataclass(frozen=True, slots=True)
class ProjectUse:
    """What one project was charged: before the month, and in it."""

    project_id: int
    name: str
    before_micros: int
    used: Figures
    shares: dict[Dimension, tuple[Share, ...]]

    @property
    def closing_micros(self) -> int:
        return self.before_micros + self.used.charged_micros


@dataclass(frozen=True, slots=True)
class Month:
    """One month of an account, closed or not."""

    month: str
    zone: str
    label: str  # the organization's name
    found: Explanation
    purchases: tuple[Purchase, ...]
    projects: tuple[ProjectUse, ...]

    def sum_of(self, reasons: tuple[Why, ...]) -> int:
        """Signed: what the account gained for these reasons."""
        lines = self.found.lines
        return sum(line.amount_micros for line in lines if line.why in reasons)


def month_figures(
    account: Account, month: str, span: Range, *, name: str = ""
) -> Month:
    """Raises: LookupError where entries are missing."""
    account_id = account.id
    return Month(
        month,
        account.time_zone,
        name or account.label,
        explain(account_id, span.start, span.end),
        _purchases(account_id, span),
        _projects(account_id, span),
    )


def _purchases(account_id: int, span: Range) -> tuple[Purchase, ...]:
    found = Grant.objects.filter(
        account_id=account_id,
        source=GrantSource.PURCHASE,
        created_at__gte=span.start,
        created_at__lt=span.end,
    ).select_related("transfer")
    return tuple(
        Purchase(
            grant.created_at,
            grant.amount_micros,
            grant.transfer.reference.removeprefix("grant:"),
            grant.reason,
        )
        for grant in found.order_by("id")
    )


def _projects(account_id: int, span: Range) -> tuple[ProjectUse, ...]:
    """Those that used anything, in the order in which they were made."""
    ranges = [Range(BEGINNING, span.start), span]
    by = (Dimension.PROJECT,)
    found = figures(Chosen(account_id), ranges, by)
    ids = sorted({int(of) for number, (of,) in found if number == 1 and of})
    names = keys.unit_names(ids)
    shares = _shares(account_id, span, ids)
    return tuple(
        ProjectUse(
            id_,
            names.get(id_, ""),
            found.get((0, (id_,)), NOTHING).charged_micros,
            found[1, (id_,)],
            shares[id_],
        )
        for id_ in ids
    )


def _shares(
    account_id: int, span: Range, project_ids: list[int]
) -> dict[int, dict[Dimension, tuple[Share, ...]]]:
    made: dict[int, dict[Dimension, tuple[Share, ...]]] = {
        id_: {} for id_ in project_ids
    }
    for of in (Dimension.MODEL, Dimension.KEY):
        found = figures(Chosen(account_id), [span], (Dimension.PROJECT, of))
        subjects = {subject for _, (_, subject) in found}
        labels = keys.key_names(map(int, subjects)) if of == Dimension.KEY else {}
        rows: dict[int, list[Share]] = {id_: [] for id_ in project_ids}
        for (_, (project, subject)), used in found.items():
            if project:
                label = labels.get(int(subject), "") if labels else str(subject)
                share = Share(subject, label, used.requests, used.charged_micros, 0)
                rows[int(project)].append(share)
        for id_, shares in rows.items():
            made[id_][of] = tuple(
                sorted(shares, key=lambda each: (-each.charged_micros, each.label))
            )
    return made


# --- as a document --------------------------------------------------------------------


def text_of(document: dict[str, Any]) -> str:
    """JSON in the one way in which it is hashed: sorted, without spaces."""
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS).decode()


def of_organization(of: Month) -> dict[str, Any]:
    """The document of a whole month: amounts in microcredits, and in words."""
    found = of.found
    sums = {
        "opening": found.opening.balance_micros,
        "top_ups": of.sum_of(TOP_UPS),
        "grants": of.sum_of(GRANTS),
        "usage": -of.sum_of(USAGE),
        "expiry": -of.sum_of(EXPIRY),
        "corrections": of.sum_of(CORRECTIONS),
        "closing": found.closing.balance_micros,
    }
    return {
        **_head(of),
        **_amounts(sums),
        "gap_micros": found.gap_micros,
        "lines": [_line(line) for line in found.lines],
        "purchases": [
            {
                "at": time_text(each.at),
                "amount_micros": each.amount_micros,
                "credits": credits_text(each.amount_micros),
                "reference": each.reference,
                "reason": each.reason,
            }
            for each in of.purchases
        ],
        "charged_micros": found.charged_micros,
        "charged": {by.value: _listed(found.shares[by]) for by in found.shares},
        "first_entry": found.opening.version + 1,
        "last_entry": found.closing.version,
    }


def of_project(of: Month, project: ProjectUse) -> dict[str, Any]:
    """The document of one project of it: what it was charged before, in the month, and
    in all."""
    sums = {
        "opening": project.before_micros,
        "usage": project.used.charged_micros,
        "closing": project.closing_micros,
    }
    return {
        **_head(of),
        "project": project.name,
        "project_unit": project.project_id,
        **_amounts(sums),
        "gap_micros": 0,
        "requests": project.used.requests,
        "charged_micros": project.used.charged_micros,
        "charged": {by.value: _listed(project.shares[by]) for by in project.shares},
    }


def _head(of: Month) -> dict[str, Any]:
    return {
        "object": "statement",
        "organization": of.label,
        "month": of.month,
        "time_zone": of.zone,
        "from": time_text(of.found.since),
        "until": time_text(of.found.until),
    }


def time_text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _amounts(sums: dict[str, int]) -> dict[str, Any]:
    micros = {f"{name}_micros": amount for name, amount in sums.items()}
    return micros | {
        f"{name}_credits": credits_text(amount) for name, amount in sums.items()
    }


def _line(line: Line) -> dict[str, Any]:
    return {
        "why": line.why.value,
        "amount_micros": line.amount_micros,
        "credits": credits_text(line.amount_micros),
        "count": line.count,
    }


def _listed(shares: tuple[Share, ...]) -> list[dict[str, Any]]:
    return [
        {
            "subject": share.subject,
            "label": share.label,
            "requests": share.requests,
            "charged_micros": share.charged_micros,
            "corrected_micros": share.corrected_micros,
        }
        for share in shares
    ]
