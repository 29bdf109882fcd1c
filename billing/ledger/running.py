"""How many calls run at once: the open holds themselves, so that none can leak.

They are counted under the account's lock, and only where somebody's calls are limited:
of a spender with those of its runs and of the keys rotated into it, of a unit, of the
account. A hold in doubt does not run any more; a job runs until its end is known. A run
itself is no call.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from billing.ledger import dialect
from billing.ledger.dialect import among, listed
from billing.ledger.pipeline import Row, Statement
from billing.ledger.rows import HoldRow
from billing.values import errors
from billing.values.orders import AtOnce, Order, Place

# By the index of the few holds that are not resolved, which the first condition names:
# with `+`, the account's and the spender's are none that all holds could be read by.
# PLAN: the holds that run, then who stands above each of their spenders.
READ_RUNNING = (
    "WITH RECURSIVE running(spender_id, calls) AS (SELECT +h.spender_id, count(*) "
    "FROM billing_hold h WHERE h.state IN ('open', 'in_doubt') AND h.state = 'open' "
    f"AND NOT h.is_envelope AND {among('+h.account_id', listed('bigint'))} "
    "GROUP BY 1), "
    "line(leaf, id) AS (SELECT spender_id, spender_id FROM running UNION "
    f"SELECT s.id, s.id FROM billing_spender s WHERE {among('s.id', listed('bigint'))} "
    "UNION SELECT l.leaf, s.parent_id FROM line l "
    "JOIN billing_spender s ON s.id = l.id WHERE s.parent_id IS NOT NULL) "
    "SELECT l.leaf, l.leaf = l.id, coalesce(a.counts_as_id, a.id), s.account_id, "
    "s.project_id, s.holder_id, coalesce(r.calls, 0) FROM line l "
    "JOIN billing_spender s ON s.id = l.leaf JOIN billing_spender a ON a.id = l.id "
    "LEFT JOIN running r ON r.spender_id = l.leaf"
)


@dataclass(slots=True)
class Running:
    """Calls by whose they are; empty where nobody asked."""

    calls: Counter[str] = field(default_factory=Counter)
    above: dict[int, set[str]] = field(default_factory=dict)  # a spender → whose

    def check(self, limits: Iterable[AtOnce]) -> None:
        """Whether one more may run. Raises: TooManyCalls."""
        for limit in limits:
            running = self.calls[limit.subject]
            if running >= limit.most:
                raise errors.TooManyCalls(
                    level=limit.level,
                    name=limit.name,
                    most=limit.most,
                    running=running,
                )

    def change(self, hold: HoldRow, calls: int) -> None:
        """One more, or one less, of the hold's spender and all above it."""
        for subject in self.above.get(hold.spender_id, ()):
            self.calls[subject] += calls


def reads(orders: Sequence[Order[object]]) -> dict[str, Statement]:
    """Nothing for orders that no such limit applies to."""
    limited = [o for o in orders if isinstance(o, Place) and o.at_once]
    if not limited:
        return {}
    accounts = dialect.json(sorted({order.account_id for order in limited}))
    spenders = {order.spender_id for order in orders if isinstance(order, Place)}
    return {"running": (READ_RUNNING, accounts, dialect.json(sorted(spenders)))}


def take(running: Running, rows: Sequence[Row]) -> None:
    """Take what `reads` found."""
    for leaf, is_self, spender_id, account_id, project_id, holder_id, calls in rows:
        subjects = {f"spender:{spender_id}"}
        if is_self:
            units = filter(None, (project_id, holder_id))
            subjects |= {f"account:{account_id}", *(f"unit:{unit}" for unit in units)}
        running.above.setdefault(leaf, set()).update(subjects)
        for subject in subjects:
            running.calls[subject] += calls
