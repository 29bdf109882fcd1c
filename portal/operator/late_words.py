"""What is said of calls after their end, and the operator's word on it.

A price that comes too late changes nothing by itself: the operator, who has looked at
the upstream's bill, has it charged, or leaves the charge as it is.
"""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from billing import corrections
from billing.models import Correction, Hold
from billing.models.correction import CorrectionKind
from billing.reports import calls as reports
from billing.values.amounts import credits_text, price_of
from portal.models import Organization
from portal.operator.doubts import (
    DoubtStands,
    checked_price,
    slugs_of,
)
from portal.tenants import audit, policy, reasons


def waiting() -> list[tuple[Correction, reports.CallReport, str]]:
    """All words that wait, the oldest first, each with its call and its organization's
    slug."""
    found = reports.late_words()
    slugs = slugs_of([call for _, call in found])
    return [(word, call, slugs.get(call.spender_id, "")) for word, call in found]


def charge(
    correction_id: UUID, *, reason: str, actor: audit.Actor
) -> dict[str, str | int]:
    """Charge the price that was said. The answer says what happened, in credits.

    Raises: NotAllowed, DoubtStands, billing's Refusal; nothing was written then.
    """
    policy.require_operator(actor)
    reason = reasons.clean(reason, DoubtStands)
    with transaction.atomic():
        word = _find(correction_id)
        posted = corrections.charge(correction_id, reason=reason)
        return _told("late_word.charge", word.hold_id, posted, reason, actor)


def charge_call(
    hold_id: UUID, upstream_micros: int, *, reason: str, actor: audit.Actor
) -> dict[str, str | int]:
    """Charge a call that has ended what the upstream charged for it, in microcredits,
    times the call's factor: in all, so that only what is missing is charged, and what
    was too much goes back. The answer is `charge`'s.

    Raises: NotAllowed, DoubtStands, billing's Refusal; nothing was written then.
    """
    policy.require_operator(actor)
    reason = reasons.clean(reason, DoubtStands)
    hold = Hold.objects.filter(id=hold_id).first()
    if hold is None:
        raise DoubtStands(f"No call has the request id req_{hold_id.hex}.")
    price = price_of(upstream_micros, hold.price_factor_ppm)
    checked_price(hold, price)
    with transaction.atomic():
        posted = corrections.post(
            hold_id,
            CorrectionKind.ADJUSTMENT,
            price,
            reference=f"{price}:{Correction.objects.filter(hold_id=hold_id).count()}",
            reason=reason,
        )
        if not posted.charged_micros and not posted.absorbed_micros:
            raise DoubtStands(
                f"req_{hold_id.hex} costs {credits_text(price)} credits already. "
                "Nothing was changed."
            )
        return _told("call.charge", hold_id, posted, reason, actor)


def dismiss(correction_id: UUID, *, reason: str, actor: audit.Actor) -> str:
    """Leave the call's charge as it is; its request id. Raises: as `charge`."""
    policy.require_operator(actor)
    reason = reasons.clean(reason, DoubtStands)
    with transaction.atomic():
        word = _find(correction_id)
        corrections.dismiss(correction_id, reason=reason)
        return _noted("late_word.dismiss", word.hold_id, reason, actor)


def acknowledge(hold_id: UUID, *, reason: str, actor: audit.Actor) -> str:
    """A doubt that was seen is no warning of `verify_ledger` any more; the call's
    request id. Raises: as `charge`."""
    policy.require_operator(actor)
    reason = reasons.clean(reason, DoubtStands)
    with transaction.atomic():
        if not corrections.acknowledge(hold_id, reason=reason):
            raise DoubtStands(
                f"The doubt of req_{hold_id.hex} was acknowledged before. Nothing was "
                "changed."
            )
        return _noted("doubt.acknowledge", hold_id, reason, actor)


def _find(correction_id: UUID) -> Correction:
    word = Correction.objects.filter(id=correction_id).first()
    if word is None:
        raise DoubtStands(f"Nothing was said under late_{correction_id.hex}.")
    return word


def _told(
    action: str,
    hold_id: UUID,
    posted: corrections.Posted,
    reason: str,
    actor: audit.Actor,
) -> dict[str, str | int]:
    if posted.repeat:
        raise DoubtStands(
            f"late_{posted.correction_id.hex} was charged before. Nothing was changed."
        )
    organization = _organization(hold_id)
    amounts = {
        "charged_credits": credits_text(posted.charged_micros),
        "absorbed_credits": credits_text(posted.absorbed_micros),
    }
    audit.record(
        action,
        actor=actor,
        organization=organization,
        target=f"req_{hold_id.hex}",
        reason=reason,
        correction=f"late_{posted.correction_id.hex}",
        **amounts,
    )
    return {
        "id": f"req_{hold_id.hex}",
        "organization": organization.slug if organization else "",
        **amounts,
        "available_credits": credits_text(posted.available_micros),
    }


def _noted(action: str, hold_id: UUID, reason: str, actor: audit.Actor) -> str:
    request_id = f"req_{hold_id.hex}"
    audit.record(
        action,
        actor=actor,
        organization=_organization(hold_id),
        target=request_id,
        reason=reason,
    )
    return request_id


def _organization(hold_id: UUID) -> Organization | None:
    account_id = Hold.objects.values_list("account_id", flat=True).get(id=hold_id)
    return Organization.objects.filter(account_id=account_id).first()
