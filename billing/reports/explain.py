"""Explain a balance: what it was at two instants, and everything between them.

opening + Σ of the lines = closing, to the microcredit. Opening and closing are read
from the account's entries (`entries.py` says when an entry happens), calls from the
sums that all pages of usage show (`usage.py`), all the rest from its
transfers. The two sides come from different tables: so `gap_micros` is a proof.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db import connection
from django.db.models import Sum

from billing.models import Correction
from billing.models.correction import CorrectionKind, CorrectionState
from billing.models.grant import GrantSource
from billing.models.transfer import TransferKind
from billing.reports import keys
from billing.reports.entries import Position, position_at
from billing.reports.holding import Held, held_at
from billing.reports.periods import Range
from billing.reports.usage import NOTHING, Chosen, Dimension, Figures, Subject, figures

# What moved the account beside its calls' first prices. The condition is word by word
# that of its index, `transfer_beside_calls`.
BESIDE_CALLS = """
SELECT t.kind, g.source, c.kind,
       CASE WHEN t.destination_id = %s THEN 1 ELSE -1 END AS sign,
       SUM(t.amount_micros), COUNT(*)
FROM billing_transfer t
LEFT JOIN billing_grant g ON g.transfer_id = t.id
LEFT JOIN billing_correction c ON c.id = t.correction_id
WHERE COALESCE(t.source_tenant_id, t.destination_tenant_id) = %s
  AND t.created_at >= %s AND t.created_at < %s
  AND (NOT (t.kind IN ('usage', 'absorb')) OR t.correction_id IS NOT NULL)
  AND (t.source_id = %s OR t.destination_id = %s)
GROUP BY 1, 2, 3, 4
"""


class Why(StrEnum):
    """What a line of the explanation stands for, in the order in which it is shown."""

    PURCHASE = "purchase"  # bought credits
    PROMOTION = "promotion"
    TRIAL = "trial"
    ADJUSTMENT = "adjustment"  # a grant by the operator's word
    CREDIT = "credit"  # an amendment that gives
    USAGE = "usage"  # calls, by their first prices
    CORRECTION = "correction"  # another price of a call that had ended
    REFUND = "refund"  # what a call had cost, given back
    EXPIRE = "expire"  # grants that lapsed
    DEBIT = "debit"
    REVERSAL = "reversal"  # of a grant: what was left of it
    CLAWBACK = "clawback"
    REPAYMENT = "repayment"  # of debt


@dataclass(frozen=True, slots=True)
class Line:
    """One reason why the balance changed; `count` is of calls or transfers."""

    why: Why
    amount_micros: int  # signed: what the account gained
    count: int


@dataclass(frozen=True, slots=True)
class Share:
    """What the calls of one model, key … were charged: first, and corrected since."""

    subject: Subject  # as `usage.figures` has it; 0 or "" where there was none
    label: str
    requests: int
    first_micros: int
    corrected_micros: int

    @property
    def charged_micros(self) -> int:
        """What it comes to: as the pages of usage have it."""
        return self.first_micros + self.corrected_micros


@dataclass(frozen=True, slots=True)
class Explanation:
    """What an account had at `since` and at `until`, and why it is not the same."""

    account_id: int
    since: datetime
    until: datetime
    opening: Position
    closing: Position
    lines: tuple[Line, ...]
    shares: dict[Dimension, tuple[Share, ...]]
    held_since: Held
    held_until: Held

    @property
    def entries(self) -> int:
        return self.closing.version - self.opening.version

    @property
    def gap_micros(self) -> int:
        """What is not explained: nothing, or the ledger was tampered with."""
        explained = sum(line.amount_micros for line in self.lines)
        return self.opening.balance_micros + explained - self.closing.balance_micros

    @property
    def charged_micros(self) -> int:
        """What calls were charged, with all corrections: positive."""
        of_calls = (Why.USAGE, Why.CORRECTION, Why.REFUND)
        return -sum(line.amount_micros for line in self.lines if line.why in of_calls)


def explain(account_id: int, since: datetime, until: datetime) -> Explanation:
    """From `since` until just before `until`.

    Raises: ValueError when that is not before this; LookupError for no account, or
    entries that are missing.
    """
    if since >= until:
        raise ValueError("the first instant is not before the second")
    lines, shares = (
        beside_calls(account_id, since, until),
        _shares(account_id, since, until),
    )
    if of_models := shares[Dimension.MODEL]:
        first = sum(share.first_micros for share in of_models)
        requests = sum(share.requests for share in of_models)
        lines.append(Line(Why.USAGE, -first, requests))
    order = list(Why)
    lines.sort(key=lambda line: order.index(line.why))
    return Explanation(
        account_id,
        since,
        until,
        position_at(account_id, since),
        position_at(account_id, until),
        tuple(lines),
        shares,
        held_at(account_id, since),
        held_at(account_id, until),
    )


# --- beside calls -------------------------------------------------------------------


def beside_calls(account_id: int, since: datetime, until: datetime) -> list[Line]:
    """All that moved the account but calls' first prices."""
    between = [*map(connection.ops.adapt_datetimefield_value, (since, until))]
    ends = (account_id, account_id)
    with connection.cursor() as cursor:
        cursor.execute(BESIDE_CALLS, (*ends, *between, *ends))
        rows = cursor.fetchall()
    sums: dict[Why, list[int]] = defaultdict(lambda: [0, 0])
    for kind, source, said, sign, amount, count in rows:
        found = sums[why_of(kind, source, said)]
        found[0] += sign * int(amount)
        found[1] += count
    return [Line(why, *found) for why, found in sums.items()]


def why_of(kind: str, source: str | None, said: str | None) -> Why:
    """Of a transfer: the source of the grant it made, and the kind of the second word
    that it carries out, where there are any."""
    if kind == TransferKind.GRANT:
        # A refund is a transfer of its own kind; nobody issues a grant of that source.
        return Why.CREDIT if source == GrantSource.REFUND else Why(source or "credit")
    if said is not None:
        return Why.REFUND if said == CorrectionKind.REFUND else Why.CORRECTION
    return Why(kind)


# --- calls --------------------------------------------------------------------------

_COLUMNS = {
    Dimension.MODEL: "model",
    Dimension.KEY: "spender_id",
    Dimension.PROJECT: "project_id",
    Dimension.HOLDER: "holder_id",
}


def _shares(
    account_id: int, since: datetime, until: datetime
) -> dict[Dimension, tuple[Share, ...]]:
    """What the pages of usage have (`usage.py`), and what of it was corrected since."""
    posted = Correction.objects.filter(
        account_id=account_id,
        state=CorrectionState.POSTED,
        ended_at__gte=since,
        ended_at__lt=until,
    )
    sums = posted.values(*_COLUMNS.values()).annotate(charged=Sum("charged_micros"))
    words = list(sums.order_by())
    one = keys.first_keys({word["spender_id"] for word in words})
    for word in words:
        word["spender_id"] = one.get(word["spender_id"], word["spender_id"])
    chosen, span = Chosen(account_id), [Range(since, until)]
    found = {}
    for of, column in _COLUMNS.items():
        corrected: dict[Subject, int] = defaultdict(int)
        for word in words:
            corrected[word[column] or _NONE[of]] += word["charged"]
        used = {group[1][0]: f for group, f in figures(chosen, span, [of]).items()}
        found[of] = _by(of, used, corrected)
    return found


_NONE: dict[Dimension, Subject] = dict.fromkeys(_COLUMNS, 0) | {Dimension.MODEL: ""}


def _by(
    of: Dimension, used: dict[Subject, Figures], corrected: dict[Subject, int]
) -> tuple[Share, ...]:
    """The most charged first."""
    subjects = {*used, *corrected}
    labels = _labels(of, subjects)
    shares = []
    for subject in subjects:
        figure, later = used.get(subject, NOTHING), corrected.get(subject, 0)
        first = figure.charged_micros - later
        label = labels.get(subject, str(subject or ""))
        shares.append(Share(subject, label, figure.requests, first, later))
    return tuple(sorted(shares, key=lambda each: (-each.charged_micros, each.label)))


def _labels(of: Dimension, subjects: set[Subject]) -> dict[Subject, str]:
    """As they are called now; a model is its own name."""
    ids = {subject for subject in subjects if isinstance(subject, int) and subject}
    if of == Dimension.MODEL:
        return {}
    names = keys.key_names(ids) if of == Dimension.KEY else keys.unit_names(ids)
    return dict(names.items())
