"""What the ledger says of an earlier attempt at a request.

Whether it runs, was charged or is in doubt is asked of its hold; the table of stored
replies adds the reply itself and, for keyed calls, who came first. These are database
questions: ask them by `process.database.read`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet

from billing.models import Hold, UsageRecord
from billing.models.hold import UNRESOLVED, HoldState
from billing.values import clock
from billing.values.amounts import credits_text
from portal.models import Organization
from proxy.http import refusals
from proxy.idempotency.attempts import CLAIM_SECONDS, Attempt, Reply
from proxy.idempotency.fingerprints import Fingerprint
from proxy.idempotency.stored_replies import unseal, window
from proxy.models import StoredReply

# For so long after its settlement a reply may still be on its way into the table.
WRITTEN_WITHIN = timedelta(seconds=1)
PURGE_ROWS = 500


def earlier(fingerprint: Fingerprint, account_id: int, *, kept: bool) -> Reply | None:
    """The reply of the last attempt at this request; None to make the call: there was
    none, or it cost nothing.

    Raises: GatewayError (409).
    """
    hold = (
        Hold.objects.filter(
            fingerprint=UUID(fingerprint.id),
            account_id=account_id,
            placed_at__gt=clock.now() - window(),
        )
        .order_by("-placed_at")
        .first()
    )
    if hold is None:
        return None
    row = StoredReply.objects.filter(fingerprint=UUID(fingerprint.id)).first()
    return _outcome(hold, row, kept=kept)


def claim(attempt: Attempt, account_id: int, *, kept: bool) -> Reply | None:
    """Take an Idempotency-Key for this attempt, before its hold is placed.

    None: it is ours, make the call. Else the reply of the call that has it.

    Raises: GatewayError (409, 422).
    """
    fingerprint, now = attempt.fingerprint, clock.now()
    mine = StoredReply(
        fingerprint=UUID(fingerprint.id),
        content_digest=UUID(fingerprint.content),
        hold_id=UUID(attempt.hold_id),
        account_id=account_id,
        created_at=now,
        expires_at=now + window() + _longest_call(),
    )
    StoredReply.objects.bulk_create([mine], ignore_conflicts=True)
    row = StoredReply.objects.filter(fingerprint=mine.fingerprint).first()
    if row is None:  # purged between the two: the client asks again
        raise refusals.request_in_progress()
    if row.hold_id == mine.hold_id:
        return None
    reply = _outcome_under_key(row, mine, kept=kept)
    if reply is None:
        _take_over(row, mine)
    return reply


def _outcome_under_key(
    row: StoredReply, mine: StoredReply, *, kept: bool
) -> Reply | None:
    hold = Hold.objects.filter(id=row.hold_id).first()
    is_over = hold is not None and hold.state not in UNRESOLVED
    if row.expires_at <= mine.created_at and (hold is None or is_over):
        return None
    if row.content_digest != mine.content_digest:
        raise refusals.idempotency_mismatch()
    if hold is not None:
        return _outcome(hold, row, kept=kept)
    if mine.created_at - row.created_at < timedelta(seconds=CLAIM_SECONDS):
        raise refusals.request_in_progress()
    return None  # its process died before the hold


def _take_over(row: StoredReply, mine: StoredReply) -> None:
    """Raises: GatewayError (409) when another attempt was faster."""
    taken = StoredReply.objects.filter(
        fingerprint=row.fingerprint, hold_id=row.hold_id
    ).update(
        content_digest=mine.content_digest,
        hold_id=mine.hold_id,
        created_at=mine.created_at,
        expires_at=mine.expires_at,
        status=None,
        sealed=b"",
    )
    if not taken:
        raise refusals.request_in_progress()


def _outcome(hold: Hold, row: StoredReply | None, *, kept: bool) -> Reply | None:
    request_id = f"req_{hold.id.hex}"
    if row is not None and kept:
        # Its own, or of a call that was the same: of a job that runs, the receipt.
        is_answer = row.hold_id == hold.id or hold.state == HoldState.SETTLED
        if is_answer and (reply := unseal(row)):
            return reply
    match hold.state:
        case HoldState.OPEN:
            raise refusals.request_in_progress()
        case HoldState.IN_DOUBT:
            raise refusals.earlier_in_doubt(request_id=request_id)
        case HoldState.RELEASED:
            return None
    usage = UsageRecord.objects.get(hold_id=hold.id)
    may_come = kept and not usage.streamed
    if may_come and usage.settled_at > clock.now() - WRITTEN_WITHIN:
        raise refusals.request_in_progress()
    raise refusals.already_completed(
        request_id=request_id, charged_credits=credits_text(usage.charged_micros)
    )


def give_up(attempt: Attempt) -> None:
    """Let go of a key whose call was refused before its hold."""
    StoredReply.objects.filter(
        fingerprint=UUID(attempt.fingerprint.id), hold_id=UUID(attempt.hold_id)
    ).delete()


def purge(*, batch_rows: int = PURGE_ROWS) -> int:
    """Delete what is past its time, but never the claim of a call that still runs; and
    take out the replies that their organization wants kept no more; how many rows."""
    running = Hold.objects.filter(state__in=UNRESOLVED).values("id")
    expired = StoredReply.objects.filter(expires_at__lte=clock.now())
    expired = expired.exclude(hold_id__in=running)
    private = Organization.objects.filter(stores_replies=False).values("account_id")
    unwanted = StoredReply.objects.filter(account_id__in=private, status__isnull=False)
    gone = _in_batches(expired, lambda rows: rows.delete()[0], batch_rows)
    # The rows stay: under an Idempotency-Key nothing else tells that a call was made.
    return gone + _in_batches(
        unwanted, lambda rows: rows.update(status=None, sealed=b""), batch_rows
    )


def _in_batches(
    rows: QuerySet[StoredReply],
    change: Callable[[QuerySet[StoredReply]], int],
    batch_rows: int,
) -> int:
    """Change all `rows`, each so that it is one of them no more; how many."""
    changed = 0
    while True:
        chosen = list(rows.values_list("fingerprint", flat=True)[:batch_rows])
        changed += change(rows.filter(fingerprint__in=chosen))
        if len(chosen) < batch_rows:
            return changed


def _longest_call() -> timedelta:
    return timedelta(seconds=settings.UPSTREAM_TOTAL_SECONDS + settings.DRAIN_SECONDS)
