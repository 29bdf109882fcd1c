"""Top-ups: `start` writes an order; what its provider says moves it on.

Its status, and what the ledger gave or took for it, follow from all that was said of
it, not from the order in which it was said: reports may come twice, late, or the last
one first. Whatever is decided is decided under the lock of the top-up's row.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, transaction

from billing.ledger import dialect, facts
from billing.models import Account, TopUp
from billing.models.account import AccountKind
from billing.models.topup import Dispute, ProviderName, TopUpStatus
from billing.payments import errors, rows, settlement
from billing.payments.prices import Offer
from billing.payments.report import Report, Said
from billing.payments.settlement import BUYER_FIELDS
from billing.values.ids import new_id

# The first look at a provider for an order of which nothing was heard.
FIRST_LOOK = timedelta(seconds=60)
KEY_MAX = 255
# Orders of one organization that wait; each is asked about at its provider.
PENDING_MAX = 50


@dataclass(frozen=True, slots=True)
class Wanted:
    """An order as it is asked for. The buyer's fields are for the receipt."""

    offer: Offer
    provider: str = ProviderName.STRIPE
    saves_method: bool = False
    is_automatic: bool = False
    buyer_name: str = ""
    buyer_address: str = ""
    buyer_tax_id: str = ""


# --- orders ---------------------------------------------------------------------------


def start(account_id: int, wanted: Wanted, *, key: str, asked_by: str) -> TopUp:
    """The order under this idempotency key, pending and written, or the one that is
    there already. Nothing is asked of its provider yet.

    Raises: BadKey, KeyReused, BadBuyer, AccountSuspended, TooManyPending;
    Account.DoesNotExist.
    """
    _check(wanted, key)
    fingerprint = _fingerprint(wanted)
    try:
        with transaction.atomic():
            if earlier := _under(account_id, key):
                return _same(earlier, fingerprint)
            account = Account.objects.get(id=account_id, kind=AccountKind.ORGANIZATION)
            if not account.is_open:
                raise errors.AccountSuspended("The organization is suspended.")
            waiting = TopUp.objects.filter(
                account_id=account_id, status=TopUpStatus.PENDING
            )
            if waiting.count() >= PENDING_MAX:
                raise errors.TooManyPending("Too many orders wait to be paid.")
            return _store_new(account_id, wanted, key, fingerprint, asked_by)
    except IntegrityError:
        # The same key, at the same moment.
        earlier = _under(account_id, key)
        if earlier is None:
            raise
        return _same(earlier, fingerprint)


def _store_new(
    account_id: int, wanted: Wanted, key: str, fingerprint: str, asked_by: str
) -> TopUp:
    offer, now = wanted.offer, dialect.now()
    topup = TopUp(
        id=UUID(new_id()),
        account_id=account_id,
        provider=wanted.provider,
        idempotency_key=key,
        fingerprint=fingerprint,
        pack=offer.pack,
        amount_micros=offer.amount_micros,
        price_minor=offer.price_minor,
        currency=offer.currency,
        is_automatic=wanted.is_automatic,
        saves_method=wanted.saves_method,
        asked_by=asked_by[:254],
        created_at=now,
        look_at=None if wanted.provider == ProviderName.MANUAL else now + FIRST_LOOK,
        buyer_name=wanted.buyer_name,
        buyer_address=wanted.buyer_address,
        buyer_tax_id=wanted.buyer_tax_id,
    )
    topup.seal = facts.seal_of_topup(topup)
    topup.save(force_insert=True)
    return topup


def begun(topup_id: UUID, *, provider_ref: str, pay_url: str, attempt: int) -> TopUp:
    """Keep how the provider calls the order, and where it is paid."""
    with transaction.atomic():
        topup = rows.locked(topup_id)
        if topup.attempt == attempt and topup.status == TopUpStatus.PENDING:
            topup.provider_ref, topup.pay_url = provider_ref, pay_url
            rows.store(topup)
        return topup


def next_attempt(topup_id: UUID, attempt: int) -> TopUp:
    """Another idempotency key at the provider: he knows this one otherwise."""
    with transaction.atomic():
        topup = rows.locked(topup_id)
        if topup.attempt == attempt and not topup.provider_ref:
            topup.attempt += 1
            rows.store(topup)
        return topup


# --- what is said of them -------------------------------------------------------------


def mark_paid(topup_id: UUID, *, payment_ref: str, by: str) -> TopUp:
    """The money for a manual one is there, under this reference of the bank's.

    Raises: UnknownTopUp; NotPending, unless it was paid by the same reference;
    DoesNotFit when another top-up was; AccountLocked.
    """
    with transaction.atomic():
        topup = _manual(topup_id)
        if topup.paid_at is not None and topup.payment_ref == payment_ref:
            return topup
        if topup.status != TopUpStatus.PENDING or not payment_ref.strip():
            raise errors.NotPending(f"It is {topup.status}; name the payment.")
        report = _report(
            topup, Said.PAID, payment_ref=payment_ref, amount_minor=topup.total_minor
        )
        return settlement.apply(topup, report, by=by)


def refuse(topup_id: UUID, *, reason: str, by: str) -> TopUp:
    """The money for a manual one will not come. Raises: as `fail`; NotPending for one
    of a provider who says himself what becomes of it."""
    with transaction.atomic():
        _manual(topup_id)
        return fail(topup_id, reason=reason, by=by)


def fail(topup_id: UUID, *, reason: str, by: str) -> TopUp:
    """The money will not come. Again it changes nothing. Raises: UnknownTopUp;
    NotPending."""
    return _end(topup_id, Said.FAILED, reason, by)


def expire(topup_id: UUID, *, by: str) -> TopUp:
    """Nobody paid in time. Again it changes nothing. Raises: as `fail`."""
    return _end(topup_id, Said.EXPIRED, "", by)


def refund(topup_id: UUID, refunded_minor: int, *, by: str) -> TopUp:
    """So much was paid back by now, in sum; the credits for it are taken back.

    Raises: UnknownTopUp; NotPending when it was never paid; DoesNotFit.
    """
    return _after_payment(topup_id, Said.REFUNDED, by, refunded_minor=refunded_minor)


def dispute(topup_id: UUID, disputed_minor: int, state: Dispute, *, by: str) -> TopUp:
    """The payer disputes so much of it, or that has ended. Raises: as `refund`."""
    return _after_payment(
        topup_id, Said.DISPUTED, by, disputed_minor=disputed_minor, dispute=state
    )


# --- readers --------------------------------------------------------------------------


def find(account_id: int, topup_id: UUID) -> TopUp:
    """Raises: UnknownTopUp, for another organization's too."""
    found = TopUp.objects.filter(id=topup_id, account_id=account_id).first()
    if found is None:
        raise errors.UnknownTopUp("There is no such top-up.")
    return found


def paid_between(account_id: int, start: datetime, end: datetime) -> list[TopUp]:
    """Those that were paid from `start` until before `end`, in the order of their
    receipts, refunded and disputed ones among them."""
    paid = TopUp.objects.filter(
        account_id=account_id, paid_at__gte=start, paid_at__lt=end
    )
    return list(paid.order_by("receipt_number"))


# --- the inside -----------------------------------------------------------------------


def _check(wanted: Wanted, key: str) -> None:
    if not key.strip() or len(key) > KEY_MAX or not key.isprintable():
        raise errors.BadKey(f"An Idempotency-Key has 1 to {KEY_MAX} characters.")
    for name, most in BUYER_FIELDS.items():
        value: str = getattr(wanted, name)
        if len(value) > most or not value.replace("\n", "").isprintable():
            raise errors.BadBuyer(f"{name} is too long, or no text: {most} at most.")


def _fingerprint(wanted: Wanted) -> str:
    return hashlib.sha256(repr(wanted).encode()).hexdigest()


def _under(account_id: int, key: str) -> TopUp | None:
    return TopUp.objects.filter(account_id=account_id, idempotency_key=key).first()


def _same(earlier: TopUp, fingerprint: str) -> TopUp:
    if earlier.fingerprint != fingerprint:
        raise errors.KeyReused("That Idempotency-Key stands for another top-up.")
    earlier.is_repeat = True
    return earlier


def _manual(topup_id: UUID) -> TopUp:
    topup = rows.locked(topup_id)
    if topup.provider != ProviderName.MANUAL:
        raise errors.NotPending("Only its payment provider says what became of it.")
    return topup


def _end(topup_id: UUID, said: Said, reason: str, by: str) -> TopUp:
    with transaction.atomic():
        topup = rows.locked(topup_id)
        if topup.status == str(said):
            return topup
        if topup.status != TopUpStatus.PENDING:
            raise errors.NotPending(f"It is {topup.status}.")
        return settlement.apply(topup, _report(topup, said, reason=reason), by=by)


def _after_payment(
    topup_id: UUID, said: Said, by: str, **particulars: int | Dispute
) -> TopUp:
    with transaction.atomic():
        topup = rows.locked(topup_id)
        if topup.paid_at is None:
            raise errors.NotPending("It was never paid.")
        return settlement.apply(topup, _report(topup, said, **particulars), by=by)


def _report(topup: TopUp, said: Said, **particulars: object) -> Report:
    """As if its provider had said so, just now."""
    return Report(
        said,
        topup.provider,
        topup.public_id,
        str(topup.account_id),
        topup.currency,
        dialect.now(),
        **particulars,  # type: ignore[arg-type]
    )
