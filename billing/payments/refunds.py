"""Refunds that the operator starts: the row first, then the provider.

He is asked under a key of the row's id, so that being cut anywhere and asking again
pays back once. What it does to the credits follows from what he tells of the payment,
by webhook or when the sweep reads his events, as of a refund that was made at his side.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Sum

from billing.ledger import dialect
from billing.models import TopUp, TopUpRefund
from billing.models.topup import Dispute, ProviderName
from billing.models.topup_refund import RefundState
from billing.payments import errors, providers, rows, topups
from billing.payments.prices import money_text
from billing.payments.provider import Source
from billing.values.crashpoints import crashpoint
from billing.values.ids import new_id

logger = logging.getLogger(__name__)

FIRST_LOOK = timedelta(seconds=60)
LOOK_AGAIN_MAX = timedelta(hours=1)
AT_ONCE = 50
TEXT_MAX = 200


def order(
    topup_id: UUID, amount_minor: int | None, *, reference: str, reason: str, by: str
) -> TopUpRefund:
    """Write down that so much is to be paid back, None: all that is left; again by the
    same reference it is the row that is there. A bank transfer is paid back by hand:
    its credits are taken at once. Inside the caller's transaction.

    Raises: UnknownTopUp, NotPaid, BadRefund, KeyReused; AccountLocked.
    """
    reference, reason = reference.strip(), reason.strip()
    for name, text in (("reference", reference), ("reason", reason)):
        if not 0 < len(text) <= TEXT_MAX or not text.isprintable():
            raise errors.BadRefund(f"A {name} has 1 to {TEXT_MAX} characters.")
    topup = rows.locked(topup_id)
    earlier = TopUpRefund.objects.filter(topup=topup, reference=reference).first()
    if earlier is not None:
        if amount_minor not in (None, earlier.amount_minor):
            raise errors.KeyReused("That reference stands for another refund.")
        earlier.is_repeat = True
        return earlier
    left = _left(topup)
    amount = left if amount_minor is None else amount_minor
    if not 0 < amount <= left:
        most = money_text(left, topup.currency)
        raise errors.BadRefund(f"Of this top-up {most} can be paid back at most.")
    made = TopUpRefund(
        id=UUID(new_id()),
        topup=topup,
        reference=reference,
        amount_minor=amount,
        reason=reason,
        asked_by=by[:254],
        created_at=dialect.now(),
    )
    if topup.provider == ProviderName.MANUAL:
        made.state = RefundState.DONE
        topups.refund(topup.id, topup.refunded_minor + amount, by=by)
    else:
        made.look_at = made.created_at + FIRST_LOOK
    made.save(force_insert=True)
    return made


def ask(refund: TopUpRefund, source: Source = providers.configured) -> TopUpRefund:
    """Have the provider pay it back, if he has not answered yet.

    Raises: ProviderOff, ProviderDown: it is asked for again by the sweep.
    """
    if refund.state != RefundState.ASKED:
        return refund
    provider = source(refund.topup.provider)
    try:
        # Our key may be forgotten by now: he may have done it long ago.
        is_new = not refund.looks and not refund.is_repeat
        found = "" if is_new else provider.find_refund(refund)
        provider_ref = found or provider.refund(refund)
    except errors.ProviderRefusal as refusal:
        return _answered(refund, RefundState.REFUSED, why=str(refusal))
    except errors.KeySpent as error:
        raise errors.ProviderDown("the key is spent") from error
    crashpoint("payments.refunded")
    return _answered(refund, RefundState.DONE, provider_ref=provider_ref)


def ask_due(source: Source = providers.configured) -> int:
    """Those of which no answer was kept; how many. May run twice at once."""
    due = TopUpRefund.objects.filter(look_at__lte=dialect.now())
    asked = 0
    for refund in due.select_related("topup").order_by("look_at")[:AT_ONCE]:
        asked += 1
        looks = refund.looks + 1
        pause = min(FIRST_LOOK * 2 ** min(looks, 10), LOOK_AGAIN_MAX)
        # Counted before he is asked: who is cut then looks before asking again.
        TopUpRefund.objects.filter(id=refund.id, state=RefundState.ASKED).update(
            looks=looks, look_at=dialect.now() + pause
        )
        refund.looks = looks
        try:
            ask(refund, source)
        except errors.ProviderError as error:
            logger.warning("%s is asked for later: %s", refund.public_id, error)
    return asked


def latest(most: int) -> list[TopUpRefund]:
    """The last ones, the latest first."""
    found = TopUpRefund.objects.select_related("topup").order_by("-created_at")
    return list(found[:most])


def _left(topup: TopUp) -> int:
    """What can be paid back, in minor units; what is on its way counts as gone, and
    what was done and not told yet. Raises: NotPaid."""
    if topup.paid_at is None:
        raise errors.NotPaid(f"It is {topup.status}: nothing was paid.")
    if topup.dispute == Dispute.OPEN:
        raise errors.NotPaid("It is disputed: its bank decides first.")
    ours = TopUpRefund.objects.filter(topup=topup).exclude(state=RefundState.REFUSED)
    ordered = ours.aggregate(sum=Sum("amount_minor"))["sum"] or 0
    # What was told has most of ours in it. Of some that were made at the provider's
    # side this is too little: then he refuses.
    gone = max(topup.refunded_minor, ordered) + topup.disputed_minor
    return max(topup.total_minor - gone, 0)


def _answered(
    refund: TopUpRefund, state: RefundState, *, provider_ref: str = "", why: str = ""
) -> TopUpRefund:
    with transaction.atomic():
        found = TopUpRefund.objects.select_for_update(no_key=True).get(id=refund.id)
        if found.state == RefundState.ASKED:
            found.state, found.look_at = state, None
            found.provider_ref, found.why = provider_ref[:255], why[:TEXT_MAX]
            found.save()
        found.topup = refund.topup
        return found
