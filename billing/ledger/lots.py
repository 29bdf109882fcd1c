"""A lot is a grant as the ledger spends it: pinned by holds, burnt by charges.

The lots of an account come in burn order (`sql.read_lots`): priority, expiry,
promotions before paid credits, oldest. Amounts are in microcredits.
"""

from __future__ import annotations

from collections.abc import Sequence

from billing.ledger.rows import HoldRow, LotRow, Parts


def available_micros(lots: Sequence[LotRow]) -> int:
    """What a new hold may use: free credits of lots that have not expired."""
    return sum(lot.free_micros for lot in lots if lot.usable)


def returning_micros(lots: Sequence[LotRow]) -> int:
    """What comes back, at most, when the account's holds end."""
    return sum(lot.held_micros for lot in lots if lot.usable)


def pin(lots: Sequence[LotRow], hold: HoldRow, amount: int) -> None:
    """Hold so much more, in burn order; a lot pinned before keeps its place. There
    must be so much available."""
    pins = dict(hold.pins)
    for lot in lots:
        if amount == 0:
            break
        part = min(amount, lot.free_micros) if lot.usable else 0
        if part:
            lot.held_micros += part
            lot.changed = True
            pins[lot.id] = pins.get(lot.id, 0) + part
            amount -= part
    hold.pins = list(pins.items())


def unpin(lots: Sequence[LotRow], hold: HoldRow, captured: int) -> Parts:
    """Free the hold's lots, but take `captured` of them, first pinned first; what was
    taken of which."""
    by_id = {lot.id: lot for lot in lots}
    burnt: Parts = []
    for grant_id, pinned in hold.pins:
        lot = by_id[grant_id]
        taken = min(captured, pinned)
        lot.held_micros -= pinned
        lot.remaining_micros -= taken
        lot.changed = True
        captured -= taken
        if taken:
            burnt.append((grant_id, taken))
    return burnt


def burn(lots: Sequence[LotRow], amount: int) -> Parts:
    """Take up to `amount` of what is available; what was taken of which."""
    burnt: Parts = []
    for lot in lots:
        part = min(amount, lot.free_micros) if lot.usable else 0
        if part:
            lot.remaining_micros -= part
            lot.changed = True
            amount -= part
            burnt.append((lot.id, part))
    return burnt


def move(lots: Sequence[LotRow], run: HoldRow, hold: HoldRow, amount: int) -> None:
    """Pins of a run become a hold's, first pinned first. It must have so much."""
    taken = _part_of(run, amount)
    _put(lots, hold, taken)


def pin_again(
    lots: Sequence[LotRow], hold: HoldRow, burnt: Parts, run: HoldRow
) -> None:
    """Pin for a run what `unpin` has just freed of a hold, less what was taken."""
    taken = dict(burnt)
    rest = [(grant, micros - taken.get(grant, 0)) for grant, micros in hold.pins]
    by_id = {lot.id: lot for lot in lots}
    for grant_id, micros in rest:
        by_id[grant_id].held_micros += micros
    _put(lots, run, rest)


def capture(lots: Sequence[LotRow], run: HoldRow, amount: int) -> Parts:
    """Take so much of what a run has pinned; what was taken of which."""
    taken, by_id = _part_of(run, amount), {lot.id: lot for lot in lots}
    for grant_id, micros in taken:
        lot = by_id[grant_id]
        lot.held_micros -= micros
        lot.remaining_micros -= micros
        lot.changed = True
    return taken


def _part_of(run: HoldRow, amount: int) -> Parts:
    taken, left = Parts(), Parts()
    for grant_id, pinned in run.pins:
        part = min(amount, pinned)
        amount -= part
        if part:
            taken.append((grant_id, part))
        if pinned > part:
            left.append((grant_id, pinned - part))
    run.pins = left
    return taken


def _put(lots: Sequence[LotRow], hold: HoldRow, parts: Parts) -> None:
    """Into burn order: what comes back to a run is spent before what burns later."""
    pins = dict(hold.pins)
    for grant_id, micros in parts:
        if micros:
            pins[grant_id] = pins.get(grant_id, 0) + micros
    places = {lot.id: place for place, lot in enumerate(lots)}
    hold.pins = sorted(pins.items(), key=lambda pin: places[pin[0]])
