"""A new key with its limits, in one step: there is no moment at which it has none.

Whoever makes a key for themselves may limit it as they like; loosening that later is
for those who manage budgets and rules, as with every limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction

from billing import budgets as ledger
from billing.models.budget import Level, Window
from billing.values.amounts import credits_text
from portal.models import ApiKey, Project
from portal.tenants import audit, key_edits, keys, rules
from portal.tenants.errors import InvalidBudget
from portal.tenants.keys import Holder
from portal.tenants.rules import Wanted


@dataclass(frozen=True, slots=True)
class Limits:
    """What a key may spend in which window, in microcredits, and its rules."""

    budgets: Mapping[Window, int] = field(default_factory=dict)
    rules: Wanted = field(default_factory=Wanted)


@transaction.atomic
def issue(
    project: Project,
    name: str,
    *,
    actor: audit.Actor,
    holder: Holder | None = None,
    expires_at: datetime | None = None,
    limits: Limits | None = None,
) -> tuple[ApiKey, str]:
    """A new key and, this once, its secret: `keys.issue`, and what limits it.

    Raises: NotAllowed, InvalidName, InvalidExpiry, InvalidRules, InvalidBudget,
    ProjectNotActive, HolderNotActive.
    """
    limits = limits or Limits()
    key_edits.check_expiry(expires_at)
    own = keys.holder_for(actor, project, holder)  # who may not, waits for nobody
    if limits.budgets:
        # Before the audit trail, as whoever changes a budget locks them.
        ledger.lock(project.organization.account_id)
    key, secret = keys.issue_to(own, project, name, actor=actor, expires_at=expires_at)
    if any(limits.rules.columns().values()):
        rules.put(project.organization, limits.rules, actor=actor, key=key)
    for window, micros in limits.budgets.items():
        _limit(key, window, micros, actor)
    return key, secret


def _limit(key: ApiKey, window: Window, micros: int, actor: audit.Actor) -> None:
    subject = ledger.Subject(Level.KEY, spender_id=key.spender_id)
    try:
        budget = ledger.set_limit(
            key.organization.account_id,
            subject,
            window,
            micros,
            counts_spend_so_far=True,
        )
    except ValueError as error:
        raise InvalidBudget(f"The limit was not set: {error}.") from error
    audit.record(
        "budget.set",
        actor=actor,
        organization=key.organization,
        target=f"budget_{budget.id}",
        subject=budget.subject,
        window=budget.window,
        limit_credits=credits_text(micros),
        before_credits=None,
        counts_spend_so_far=True,
    )
