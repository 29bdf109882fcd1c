"""Corrections: the one way to change what a call cost after its end.

What was posted stays as it is. A correction adds transfers that refer to the call's
first ones, a usage line (its own row) and a line of the hourly sums:

- `post` of a price (`late`, `adjustment`): the call is to cost so much in all. What is
  missing is charged like an overrun: from the runs that the call is part of, then from
  what is available, in burn order, and the operator bears the rest. Of what was too
  much the operator first takes back what he bore, and then the customer's returns to
  the grants that the call's burns name, the last burnt first; what came out of a grant
  that has expired since lapses with it.
- `post` of a `refund`: so much of what was charged goes back as a new grant, once for
  each call. A price that comes after it changes nothing of it.

While the organization owes, what goes back pays its debt first (`billing.debts`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from billing import debts, grants
from billing.ledger import envelopes, facts, locking, store, words
from billing.ledger.book import Book, Mark
from billing.ledger.facts import New
from billing.ledger.rows import HoldRow, LotRow, Parts
from billing.models import Acknowledgement, Burn, Correction, Grant, Hold, UsageRecord
from billing.models.account import AccountKind
from billing.models.act import ActKind
from billing.models.correction import CorrectionKind, CorrectionState
from billing.models.grant import GrantSource
from billing.models.hold import UNRESOLVED
from billing.models.transfer import TransferKind
from billing.models.usage import Basis
from billing.values import errors
from billing.values.ids import id_for
from billing.values.orders import AMOUNT_MICROS_MAX, Usage

REFERENCE_MAX, REASON_MAX = 100, 500


@dataclass(frozen=True, slots=True)
class Posted:
    """What a correction changed; less than nothing is what went back. A repeat
    changes nothing, and tells what it did the first time."""

    correction_id: UUID
    charged_micros: int
    absorbed_micros: int
    available_micros: int
    repeat: bool = False


@dataclass(frozen=True, slots=True)
class SoFar:
    """What became of a call's price until now."""

    charged: int  # what the customer pays: less what was refunded
    absorbed: int  # what the operator bears
    refunded: int


class NotCorrectable(errors.Refusal):
    """The call, or the word on it, is not in a state for this. Nothing was written."""


def post(
    hold_id: UUID,
    kind: CorrectionKind,
    micros: int,
    *,
    reference: str,
    reason: str,
    usage: Usage | None = None,
) -> Posted:
    """Correct what an ended call cost, once for each `reference`. `micros` is the
    call's whole price, at the organization's factor; of a refund, what goes back.
    `usage` says on what authority; without it the operator's word stands.

    Raises: ValueError for an amount outside 0 … 10^15 micros, or a refund of nothing;
    UnknownHold; NotCorrectable while the call runs, when more would go back than was
    charged, or at a second refund; ReferenceConflict when the reference stands for
    something else; AccountLocked.
    """
    least = 1 if kind == CorrectionKind.REFUND else 0
    if type(micros) is not int or not least <= micros <= AMOUNT_MICROS_MAX:
        raise ValueError(f"amount out of range: {micros}")
    if len(reference) > REFERENCE_MAX or len(reason) > REASON_MAX:
        raise ValueError("a reference or a reason is too long")
    with locking.atomic():
        book, hold = _locked(hold_id)
        reference = f"{kind.value}:{hold.id}:operator:{reference}"
        if earlier := Correction.objects.filter(reference=reference).first():
            if (earlier.kind, earlier.said_micros) != (kind.value, micros):
                raise errors.ReferenceConflict(reference)
            return _told(book, earlier, repeat=True)
        if kind == CorrectionKind.REFUND:
            _refuse_second_refund(hold)
        used = usage or Usage(Basis.UPSTREAM.value, 0, flags=("operator",))
        row = words.correction(
            book, hold, kind, reference, reason=reason, said_micros=micros, usage=used
        )
        return _posted(book, hold, dict(row))  # it is inserted as it is, pending


def charge(correction_id: UUID, *, reason: str) -> Posted:
    """Post the price that waits. Raises: NotCorrectable when there is no such word,
    it names no price, or it has been dismissed."""
    with locking.atomic():
        book, hold, word = _pending(correction_id)
        if word.said_micros is None:
            raise NotCorrectable("nobody has named a price yet")
        if word.state == CorrectionState.POSTED:
            return _told(book, word, repeat=True)
        return _posted(book, hold, facts.row_of(word) | {"reason": reason})


def dismiss(correction_id: UUID, *, reason: str) -> None:
    """Leave the charge as it is, and the word on record. Raises: NotCorrectable."""
    with locking.atomic():
        book, hold, word = _pending(correction_id)
        if word.state != CorrectionState.PENDING:
            raise NotCorrectable("it has been charged")
        _end(
            book,
            hold,
            facts.row_of(word) | {"reason": reason},
            CorrectionState.DISMISSED,
        )
        store.save(book)


def acknowledge(hold_id: UUID, *, reason: str) -> bool:
    """The operator has seen that nobody knows what this call cost: it is no warning
    any more. False when that was said before.

    Raises: UnknownHold; NotCorrectable when the call's end is known, or it runs.
    """
    with locking.atomic():
        book, hold = _locked(hold_id, only_ended=False)
        record = UsageRecord.objects.filter(hold_id=hold.id).first()
        is_closed = record is not None and record.basis == Basis.IN_DOUBT
        if not is_closed and hold.state != "in_doubt":
            raise NotCorrectable("the call is not in doubt")
        if Acknowledgement.objects.filter(hold_id=hold.id).exists():
            return False
        seen = Acknowledgement.objects.create(
            hold_id=hold_id, reason=reason, noted_at=book.moment_of(hold.account_id)
        )
        text = facts.ACKNOWLEDGEMENT.text(facts.row_of(seen))
        book.act(ActKind.ACKNOWLEDGEMENT, hold.account_id, hold.id, [text])
        store.save(book)
        return True


# --- reading, under the account's lock ------------------------------------------------


def _locked(hold_id: UUID, *, only_ended: bool = True) -> tuple[Book, HoldRow]:
    """The call's account and the operator's, locked, with its grants and the hold.
    Raises: UnknownHold, NotCorrectable."""
    account_id = Hold.objects.filter(id=hold_id).values_list("account_id", flat=True)
    if not account_id:
        raise errors.UnknownHold
    book = Book()
    store.lock_accounts(book, {account_id[0]})
    store.lock_system_account(book, AccountKind.ABSORBED)
    store.read_lots(book)
    store.read_holds(book, [hold_id.hex])
    hold = book.holds[hold_id.hex]
    if only_ended and hold.state in UNRESOLVED:
        raise NotCorrectable("the call has not ended: settle or release it")
    return book, hold


def _pending(correction_id: UUID) -> tuple[Book, HoldRow, Correction]:
    """Raises: NotCorrectable when it is unknown, or dismissed."""
    found = Correction.objects.filter(id=correction_id).first()
    if found is None:
        raise NotCorrectable("there is no such word")
    book, hold = _locked(found.hold_id)
    word = Correction.objects.get(id=correction_id)
    if word.state == CorrectionState.DISMISSED:
        raise NotCorrectable("it has been dismissed")
    return book, hold, word


def _refuse_second_refund(hold: HoldRow) -> None:
    found = Correction.objects.filter(hold_id=hold.id, kind=CorrectionKind.REFUND)
    if found.exists():
        raise NotCorrectable("the call was refunded before, and that is done once")


def _available(account_id: int) -> int:
    """By what is written now."""
    book = Book()
    store.lock_accounts(book, {account_id})
    store.read_lots(book)
    return book.available_micros(account_id)


def _told(book: Book, word: Correction, *, repeat: bool) -> Posted:
    available = book.available_micros(word.account_id)
    return Posted(
        word.id, word.charged_micros, word.absorbed_micros, available, repeat=repeat
    )


# --- posting ------------------------------------------------------------------------


def _posted(book: Book, hold: HoldRow, row: New) -> Posted:
    mark = book.mark()
    earlier = Correction.objects.filter(hold_id=hold.id, state=CorrectionState.POSTED)
    record = UsageRecord.objects.filter(hold_id=hold.id).first()
    posted: list[Correction | UsageRecord] = [*earlier, *([record] if record else [])]
    charged = sum(each.charged_micros for each in posted)
    absorbed = sum(each.absorbed_micros for each in posted)
    refunded = -sum(
        each.charged_micros for each in earlier if each.kind == CorrectionKind.REFUND
    )
    texts: list[str] = []
    if row["kind"] == CorrectionKind.REFUND:
        if row["said_micros"] > charged:
            raise NotCorrectable(f"only {charged} micros were charged")
        texts.append(_refund(book, hold, row))
    else:
        row["requests"] = int(record is None and not earlier)
        paid_by = [hold.id, *(each.id.hex for each in earlier)]
        so_far = SoFar(charged, absorbed, refunded)
        _bring_to_price(book, hold, row, so_far, paid_by)
    _end(book, hold, row, CorrectionState.POSTED, mark, texts)
    store.save(book)
    if row["charged_micros"] < 0:
        debts.pay(hold.account_id)
    return Posted(
        UUID(row["id"]),
        row["charged_micros"],
        row["absorbed_micros"],
        _available(hold.account_id),
    )


def _refund(book: Book, hold: HoldRow, row: New) -> str:
    """To a new grant; its text, for the act."""
    amount = row["said_micros"]
    transfer_id = _to_customer(book, hold, row, amount)
    grant = Grant(
        account_id=hold.account_id,
        source=GrantSource.REFUND,
        reason=row["reason"][:200],
        amount_micros=amount,
    )
    return grants.create(book, grant, transfer_id)


def _bring_to_price(
    book: Book, hold: HoldRow, row: New, so_far: SoFar, paid_by: list[str]
) -> None:
    """What was refunded stays the customer's: a price is compared with what had been
    charged without that, and gives back what is left charged at most."""
    price, charged = row["said_micros"], so_far.charged + so_far.refunded
    over = charged + so_far.absorbed - price
    if over < 0:
        _charge_more(book, hold, row, -over)
        return
    relief = min(so_far.absorbed, over)
    _relieve(book, hold, row, relief)
    _give_back(book, hold, row, min(over - relief, so_far.charged), paid_by)


def _charge_more(book: Book, hold: HoldRow, row: New, missing: int) -> None:
    burnt = envelopes.burn(book, hold, missing)
    charged = sum(micros for _, micros in burnt)
    row["charged_micros"], row["absorbed_micros"] = charged, missing - charged
    book.charge(hold, charged, missing - charged, (burnt,), row["id"])


def _relieve(book: Book, hold: HoldRow, row: New, amount: int) -> None:
    """The operator, who bore so much of the call, bears it no more."""
    if not amount:
        return
    usage_id = book.accounts[hold.account_id].usage_account_id
    assert usage_id is not None
    bearer = book.system_account(AccountKind.ABSORBED)
    of = {"hold_id": hold.id, "correction_id": row["id"]}
    book.move(TransferKind.RELIEF, usage_id, bearer.id, amount, **of)
    row["absorbed_micros"] = -amount


def _give_back(
    book: Book, hold: HoldRow, row: New, amount: int, paid_by: list[str]
) -> None:
    """To the grants it came from, the last burnt first."""
    if not amount:
        return
    back: Parts = []
    left = amount
    for lot, burnt in reversed(_burnt(book, hold, paid_by)):
        part = min(left, burnt)
        lot.remaining_micros += part
        lot.changed = True
        back.append((lot.id, -part))
        left -= part
    assert left == 0, "the burns of a call are what it was charged"
    refund = _to_customer(book, hold, row, amount)
    book.burn(refund, [part for part in back if part[1]])


def _to_customer(book: Book, hold: HoldRow, row: New, amount: int) -> str:
    """The transfer's id."""
    usage_id = book.accounts[hold.account_id].usage_account_id
    assert usage_id is not None
    row["charged_micros"] = -amount
    ends = (usage_id, hold.account_id, amount)
    of = {"hold_id": hold.id, "correction_id": row["id"]}
    return book.move(TransferKind.REFUND, *ends, **of)


def _burnt(book: Book, hold: HoldRow, paid_by: list[str]) -> list[tuple[LotRow, int]]:
    """What the call took of each grant, less what it gave back, in burn order."""
    transfers = [id_for(each, place) for each in paid_by for place in (1, 3)]
    taken: dict[int, int] = {}
    burns = Burn.objects.filter(transfer_id__in=transfers)
    for burn in burns:
        taken[burn.grant_id] = taken.get(burn.grant_id, 0) + burn.amount_micros
    known = {lot.id: lot for lot in book.lots_of(hold.account_id)}
    now = book.moment_of(hold.account_id)
    grants = sorted(Grant.objects.filter(id__in=taken), key=Grant.burns_before)
    for grant in grants:
        if grant.id not in known:  # nothing is left of it
            usable = grant.expires_at is None or grant.expires_at > now
            known[grant.id] = LotRow(grant.id, grant.account_id, 0, 0, usable)
            book.lots.setdefault(hold.account_id, []).append(known[grant.id])
    return [(known[grant.id], taken[grant.id]) for grant in grants]


def _end(
    book: Book,
    hold: HoldRow,
    row: New,
    state: CorrectionState,
    mark: Mark | None = None,
    texts: Sequence[str] = (),
) -> None:
    row |= {"state": state.value, "ended_at": book.time_of(hold.account_id)}
    book.ended_corrections.append(row)
    is_posted = state == CorrectionState.POSTED
    kind = ActKind.CORRECTION if is_posted else ActKind.DISMISSAL
    texts = [*texts, facts.CORRECTION.text(row)]
    book.act(kind, hold.account_id, row["id"], texts, mark)
