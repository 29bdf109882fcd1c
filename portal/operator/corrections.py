"""Credits that come and go by the operator's word, and refunds of calls.

Each operation writes the change and who decided it, both or neither. A repeat by the
same reference changes nothing and is not written down again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from billing import amendments, corrections
from billing.amendments import Amended, Why
from billing.models import Grant, Hold
from billing.models.correction import CorrectionKind
from billing.reports import credits as reports
from billing.values.amounts import credits_text
from portal.models import Organization
from portal.operator.doubts import DoubtStands
from portal.tenants import audit, policy, reasons
from portal.tenants.errors import PortalError

Told = dict[str, str | bool]


class NotFound(PortalError):
    """No organization, grant or call has that name. Nothing was written."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Why, by whom, and once for which reference."""

    reference: str
    reason: str
    actor: audit.Actor

    def checked(self) -> Why:
        """Raises: NotAllowed, DoubtStands for a reason that cannot be kept."""
        policy.require_operator(self.actor)
        return Why(
            self.reference, reasons.clean(self.reason, DoubtStands), self.actor.label
        )


# All raise: NotAllowed, NotFound, DoubtStands, ValueError, billing's Refusal,
# ReferenceConflict and AccountLocked; nothing was written then.


def credit(
    slug: str,
    micros: int,
    decision: Decision,
    *,
    expires_at: datetime | None = None,
) -> Told:
    """Give an organization credits."""
    why = decision.checked()
    organization = find(slug)
    with transaction.atomic():
        done = amendments.credit(
            organization.account_id, micros, why, expires_at=expires_at
        )
        return _told("credits.credit", organization, done, decision)


def debit(slug: str, micros: int, decision: Decision) -> Told:
    """Take credits that are available."""
    why = decision.checked()
    organization = find(slug)
    with transaction.atomic():
        done = amendments.debit(organization.account_id, micros, why)
        return _told("credits.debit", organization, done, decision)


def clawback(slug: str, micros: int, decision: Decision) -> Told:
    """Take credits back; what is not available is owed."""
    why = decision.checked()
    organization = find(slug)
    with transaction.atomic():
        done = amendments.clawback(organization.account_id, micros, why)
        return _told("credits.clawback", organization, done, decision)


def write_off(slug: str, micros: int, decision: Decision) -> Told:
    """End debt that nobody will pay."""
    why = decision.checked()
    organization = find(slug)
    with transaction.atomic():
        done = amendments.write_off(organization.account_id, micros, why)
        return _told("debt.write_off", organization, done, decision)


def reverse(grant_id: int, decision: Decision, *, recovers_spent: bool) -> Told:
    """Take a grant back: what is left of it, or what was spent as well."""
    why = decision.checked()
    grant = Grant.objects.filter(id=grant_id).first()
    organization = grant and _of_account(grant.account_id)
    if not organization:
        raise NotFound(f"There is no grant_{grant_id}. Nothing was changed.")
    with transaction.atomic():
        done = amendments.reverse(grant_id, why, recovers_spent=recovers_spent)
        return _told(
            "grant.reverse",
            organization,
            done,
            decision,
            grant=f"grant_{grant_id}",
            recovers_spent=recovers_spent,
        )


def refund(hold_id: UUID, micros: int, *, reason: str, actor: audit.Actor) -> Told:
    """Give back so much of what a call was charged, once, as a new grant."""
    why = Decision("once", reason, actor).checked()
    hold = Hold.objects.filter(id=hold_id).first()
    organization = hold and _of_account(hold.account_id)
    if not organization:
        raise NotFound(
            f"No call has the request id req_{hold_id.hex}. Nothing was changed."
        )
    with transaction.atomic():
        posted = corrections.post(
            hold_id,
            CorrectionKind.REFUND,
            micros,
            reference=why.reference,
            reason=why.reason,
        )
        refunded = credits_text(-posted.charged_micros)
        if not posted.repeat:
            audit.record(
                "call.refund",
                actor=actor,
                organization=organization,
                target=f"req_{hold_id.hex}",
                reason=why.reason,
                refunded_credits=refunded,
            )
        return {
            "id": f"req_{hold_id.hex}",
            "organization": organization.slug,
            "refunded_credits": refunded,
            "available_credits": credits_text(posted.available_micros),
            "debt_credits": credits_text(reports.owed_by(organization.account_id)),
            "repeat": posted.repeat,
        }


def grants_of(slug: str) -> list[reports.GrantReport]:
    """All that was ever granted to it, the latest first. Raises: NotFound."""
    return reports.grants_of(find(slug).account_id)


def find(slug: str) -> Organization:
    """Raises: NotFound."""
    found = Organization.objects.filter(slug=slug).first()
    if found is None:
        raise NotFound(f"There is no organization {slug!r}. Nothing was changed.")
    return found


def _of_account(account_id: int) -> Organization | None:
    return Organization.objects.filter(account_id=account_id).first()


def _told(
    action: str,
    organization: Organization,
    done: Amended,
    decision: Decision,
    **detail: str | bool,
) -> Told:
    amounts = {
        "moved_credits": credits_text(done.moved_micros),
        "owed_credits": credits_text(done.owed_micros),
    }
    name = f"amendment_{done.amendment_id.hex}"
    if not done.repeat:
        audit.record(
            action,
            actor=decision.actor,
            organization=organization,
            target=name,
            reason=decision.reason.strip(),
            reference=decision.reference,
            **amounts,
            **detail,
        )
    return {
        "id": name,
        "organization": organization.slug,
        **amounts,
        "available_credits": credits_text(done.available_micros),
        "debt_credits": credits_text(done.debt_micros),
        "repeat": done.repeat,
    }
