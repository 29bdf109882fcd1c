"""A second word on a hold that has ended: kept, whatever it says, and never lost.

The first resolution stands. Another price that is said later waits, `pending`, until
the operator has it posted (`billing.corrections`) or dismisses it. What was said before
is a repeat.
"""

from __future__ import annotations

from billing.ledger import facts
from billing.ledger.book import Book
from billing.ledger.facts import New
from billing.ledger.rows import HoldRow
from billing.models.act import ActKind
from billing.models.correction import CorrectionKind, CorrectionState
from billing.models.hold import HoldState
from billing.models.usage import Basis
from billing.values.ids import new_id
from billing.values.orders import Usage


def hear_price(
    book: Book, hold: HoldRow, price: int, usage: Usage, reason: str
) -> None:
    """Keep the whole price that somebody names for a call that is over."""
    if price in book.prices_said(hold.id):
        return
    _keep(book, hold, f"late:{hold.id}:{price}", reason, price, usage)


def hear_no_charge(book: Book, hold: HoldRow, reason: str) -> None:
    """A call that was charged is said to have cost nothing."""
    hear_price(book, hold, 0, Usage(Basis.ESTIMATED.value, 0), reason)


def hear_alive(book: Book, hold: HoldRow) -> None:
    """A call that was released, because nobody answered for it, goes on."""
    if not book.prices_said(hold.id) - {0}:
        nothing = Usage(Basis.IN_DOUBT.value, 0)
        _keep(book, hold, f"alive:{hold.id}", "alive", None, nothing)


def _keep(
    book: Book,
    hold: HoldRow,
    reference: str,
    reason: str,
    said_micros: int | None,
    usage: Usage,
) -> None:
    book.prices_said(hold.id).add(said_micros)
    correction(
        book,
        hold,
        CorrectionKind.LATE,
        reference,
        reason=reason,
        said_micros=said_micros,
        usage=usage,
    )


def correction(
    book: Book,
    hold: HoldRow,
    kind: CorrectionKind,
    reference: str,
    *,
    reason: str,
    said_micros: int | None,
    usage: Usage,
) -> New:
    """A new row, still pending, and the act of noting it."""
    # The call's tokens are counted already, unless it was charged nothing.
    is_counted = hold.state == HoldState.SETTLED
    row: New = {
        "id": new_id(),
        "hold_id": hold.id,
        "account_id": hold.account_id,
        "spender_id": hold.spender_id,
        "project_id": hold.project_id,
        "holder_id": hold.holder_id,
        "client": hold.client,
        "operation": hold.operation,
        "model": hold.model,
        "kind": kind.value,
        "state": CorrectionState.PENDING.value,
        "reference": reference,
        "reason": reason,
        "basis": usage.basis,
        "upstream_micros": usage.upstream_micros,
        "said_micros": said_micros,
        "charged_micros": 0,
        "absorbed_micros": 0,
        "requests": 0,
        "prompt_tokens": 0 if is_counted else usage.prompt_tokens,
        "completion_tokens": 0 if is_counted else usage.completion_tokens,
        "upstream_id": usage.upstream_id,
        "flags": " ".join(usage.flags),
        "noted_at": book.time_of(hold.account_id),
        "ended_at": None,
    }
    book.new_corrections.append(row)
    book.act(ActKind.NOTE, hold.account_id, row["id"], [facts.NOTE.text(row)])
    return row
