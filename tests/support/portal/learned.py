"""What the operator's room decides about, made without a call."""

from __future__ import annotations

from billing.models import LearnedBound, Pause
from billing.values import clock
from portal.models import Organization


def make_pause(organization: Organization) -> Pause:
    """The organization's calls are refused until somebody looks."""
    account_id = organization.account_id
    return Pause.objects.create(
        account_id=account_id, borne_micros=1, paused_at=clock.now()
    )


def make_lesson(_: Organization) -> LearnedBound:
    """Calls of model m were seen to cost something, whoever made them."""
    return LearnedBound.objects.create(
        operation="chat.completions", model="m", learned_at=clock.now()
    )
