"""Limits as a member may see them: all of them, or those that bind their own calls."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import QuerySet
from django.utils import timezone

from billing import budgets
from billing.budgets import Link
from billing.models import Budget, BudgetRaise, Spender
from portal.models import AuditEvent, Membership, RaiseRequest, RequestState
from portal.tenants import roles
from portal.tenants.roles import Permission

SEES_ALL = (Permission.MANAGE_BUDGETS, Permission.SEE_USAGE)
HISTORY = 30


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit in force and where it stands. Nobody raises or removes their own."""

    budget: Budget
    link: Link
    is_own: bool
    raises: tuple[BudgetRaise, ...]

    @property
    def percent(self) -> int:
        """Of it used and held, for a bar."""
        gone = self.link.used_micros + self.link.held_micros
        return min(100, gone * 100 // max(1, self.link.limit_micros))


def visible(membership: Membership) -> QuerySet[Budget]:
    """The limits in force that the member may know of."""
    account_id = membership.organization.account_id
    found = Budget.objects.filter(account_id=account_id, is_active=True)
    if any(roles.may(membership.role, each) for each in SEES_ALL):
        return found
    return found.filter(subject__in=_own_subjects(membership))


def _own_subjects(membership: Membership) -> set[str]:
    """What the limits are named after that bind the member's own calls."""
    unit_id, account_id = membership.unit_id, membership.organization.account_id
    found = {f"organization:{account_id}", f"member:{unit_id}"}
    for key in Spender.objects.filter(account_id=account_id, holder_id=unit_id):
        found.add(f"key:{key.limited_id}")
        if key.project_id is not None:
            found.add(f"project:{key.project_id}")
            found.add(f"member_in_project:{key.project_id}:{unit_id}")
    return found


def limits(membership: Membership, only: int | None = None) -> list[Limit]:
    """The least left first; `only` one of them, if it is there."""
    rows = visible(membership).select_related("spender")
    if only is not None:
        rows = rows.filter(id=only)
    known = {budget.id: budget for budget in rows}
    raises = _raises(known)
    return [
        Limit(
            budget := known[link.budget_id],
            link,
            _holder_of(budget) == membership.unit_id,
            tuple(raises[budget.id]),
        )
        for link in budgets.of_account(membership.organization.account_id)
        if link.budget_id in known
    ]


def _raises(budget_ids: Iterable[int]) -> dict[int, list[BudgetRaise]]:
    """Those that last."""
    found: dict[int, list[BudgetRaise]] = defaultdict(list)
    lasting = BudgetRaise.objects.filter(
        budget__in=list(budget_ids), ended_at=None, ends_at__gt=timezone.now()
    )
    for each in lasting.order_by("ends_at"):
        found[each.budget_id].append(each)
    return found


def _holder_of(budget: Budget) -> int | None:
    return budget.spender.holder_id if budget.spender else budget.holder_id


def present(budget: Budget) -> Budget | None:
    """The limit in force that has taken its place, or itself."""
    same = ("account_id", "subject", "window", "model_pattern", "operation")
    terms = {name: getattr(budget, name) for name in same}
    return Budget.objects.filter(**terms, is_active=True).first()


def waiting(membership: Membership) -> QuerySet[RaiseRequest]:
    """The requests that the member may answer, the oldest first; their own is
    somebody else's to answer."""
    found = RaiseRequest.objects.filter(
        organization=membership.organization, state=RequestState.PENDING
    )
    if not roles.may(membership.role, Permission.MANAGE_BUDGETS):
        found = found.none()
    named = ("budget", "budget__project", "budget__holder", "budget__spender")
    return found.select_related(*named, "asked_by").order_by("asked_at", "id")


def asked_by(membership: Membership) -> QuerySet[RaiseRequest]:
    """What the member has asked for, the latest first."""
    found = RaiseRequest.objects.filter(
        organization=membership.organization, asked_by=membership.user
    )
    named = ("budget", "budget__project", "budget__holder", "budget__spender")
    return found.select_related(*named, "decided_by").order_by("-asked_at", "-id")


def history(membership: Membership) -> list[AuditEvent]:
    """What was done to limits of late, the latest first; for who may change them."""
    if not roles.may(membership.role, Permission.MANAGE_BUDGETS):
        return []
    events = AuditEvent.objects.filter(organization=membership.organization)
    of_limits = ("budget.", "raise_request.")
    found = events.filter(action__startswith=of_limits[0]) | events.filter(
        action__startswith=of_limits[1]
    )
    return list(found.order_by("-id")[:HISTORY])
