"""Limits of an organization, and raises of them for a time: who may set, ask and grant.

Whoever is limited themselves, as a member or as the holder of a key, neither raises
that limit nor removes it: they ask, and somebody else who may manage budgets grants it
or says why not. What is set is the ledger's from the next call on.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from billing import budgets
from billing.budgets import Subject
from billing.models import Budget, BudgetRaise
from billing.models.budget import Level, Window
from billing.values.amounts import credits_text
from billing.values.orders import AMOUNT_MICROS_MAX
from portal.models import Membership, Organization, RaiseRequest, RequestState
from portal.tenants import audit, policy, reasons
from portal.tenants.errors import (
    AlreadyAsked,
    AlreadyDecided,
    InvalidBudget,
    NoSuchBudget,
    OwnLimit,
)
from portal.tenants.roles import Permission


@transaction.atomic
def set_limit(
    organization: Organization,
    subject: Subject,
    window: Window,
    limit_micros: int,
    *,
    counts_spend_so_far: bool,
    actor: audit.Actor,
    model_pattern: str = "",
    operation: str = "",
) -> Budget:
    """A new limit, or another one; see `billing.budgets.set_limit`. The same again
    changes nothing.

    Raises: NotAllowed, OwnLimit, InvalidBudget.
    """
    policy.require(actor, organization.id, Permission.MANAGE_BUDGETS)
    _lock(organization)
    subject = budgets.limited(subject)
    in_force = Budget.objects.filter(
        account_id=organization.account_id,
        is_active=True,
        level=subject.level,
        window=window,
        model_pattern=model_pattern,
        operation=operation,
    )
    whom = (subject.project_id, subject.holder_id, subject.spender_id)
    known = next((each for each in in_force if _whom(each) == whom), None)
    before = known.limit_micros if known else None
    if known and (limit_micros > known.limit_micros or not counts_spend_so_far):
        _refuse_own(known, organization, actor)
    try:
        budget = budgets.set_limit(
            organization.account_id,
            subject,
            window,
            limit_micros,
            counts_spend_so_far=counts_spend_so_far,
            model_pattern=model_pattern,
            operation=operation,
        )
    except ValueError as error:
        raise InvalidBudget(f"The limit was not set: {error}.") from error
    if known and (known.id, before) == (budget.id, limit_micros):
        return budget  # as it was
    _record(
        "budget.set",
        budget,
        organization,
        actor,
        limit_credits=credits_text(limit_micros),
        before_credits=None if before is None else credits_text(before),
        counts_spend_so_far=counts_spend_so_far,
    )
    return budget


def store_cap(membership: Membership, micros: int, actor: audit.Actor) -> None:
    """A member's own limit of each month, as a part of making them a member: whoever
    invited them was asked for the right."""
    organization = membership.organization
    subject = Subject(Level.MEMBER, holder_id=membership.unit_id)
    budget = budgets.set_limit(
        organization.account_id,
        subject,
        Window.MONTH,
        micros,
        counts_spend_so_far=True,
    )
    _record(
        "budget.set", budget, organization, actor, limit_credits=credits_text(micros)
    )


def caps_of(organization: Organization) -> dict[int, Budget]:
    """The limits of each month that members have of their own, by their units."""
    found = Budget.objects.filter(
        account_id=organization.account_id,
        is_active=True,
        level=Level.MEMBER,
        window=Window.MONTH,
        model_pattern="",
        operation="",
    )
    return {each.holder_id: each for each in found if each.holder_id is not None}


@transaction.atomic
def remove(organization: Organization, budget_id: int, *, actor: audit.Actor) -> None:
    """Raises: NotAllowed, NoSuchBudget, OwnLimit."""
    policy.require(actor, organization.id, Permission.MANAGE_BUDGETS)
    budget = _known(organization, budget_id)
    _refuse_own(budget, organization, actor)
    budgets.remove(budget.id)
    _record("budget.remove", budget, organization, actor)


@transaction.atomic
def raise_limit(
    organization: Organization,
    budget_id: int,
    micros: int,
    *,
    until: datetime,
    reason: str,
    actor: audit.Actor,
) -> BudgetRaise:
    """So much more until then. Raises: NotAllowed, NoSuchBudget, OwnLimit,
    InvalidBudget."""
    policy.require(actor, organization.id, Permission.MANAGE_BUDGETS)
    budget = _known(organization, budget_id)
    _refuse_own(budget, organization, actor)
    return _raise(
        organization, budget, micros, until, reasons.clean(reason, InvalidBudget), actor
    )


@transaction.atomic
def end_raise(organization: Organization, raise_id: int, *, actor: audit.Actor) -> None:
    """Take it back before its time. Raises: NotAllowed, NoSuchBudget."""
    policy.require(actor, organization.id, Permission.MANAGE_BUDGETS)
    _lock(organization)
    found = BudgetRaise.objects.select_related("budget").filter(
        id=raise_id, budget__account_id=organization.account_id, ended_at=None
    )
    if (lasting := found.first()) is None:
        raise NoSuchBudget
    budgets.end_raise(raise_id)
    _record("budget.raise_end", lasting.budget, organization, actor, raised=raise_id)


# --- asking ------------------------------------------------------------------------


@transaction.atomic
def ask(
    organization: Organization,
    budget_id: int,
    micros: int,
    *,
    until: datetime,
    reason: str,
    actor: audit.Actor,
) -> RaiseRequest:
    """A member asks for so much more until then, once at a time for each budget.

    Raises: NotAllowed, NoSuchBudget, InvalidBudget, AlreadyAsked.
    """
    policy.require(actor, organization.id, Permission.CREATE_KEYS)
    budget = _known(organization, budget_id)
    reason = reasons.clean(reason, InvalidBudget)
    if type(micros) is not int or not 1 <= micros <= AMOUNT_MICROS_MAX:
        raise InvalidBudget("Ask for an amount of at least one microcredit.")
    if until <= timezone.now():
        raise InvalidBudget("A raise ends in the future.")
    waiting = RaiseRequest.objects.filter(
        budget=budget, asked_by=actor.user, state=RequestState.PENDING
    )
    if waiting.exists():
        raise AlreadyAsked
    asked = RaiseRequest.objects.create(
        organization=organization,
        budget=budget,
        asked_by=actor.user,
        micros=micros,
        until=until,
        reason=reason,
    )
    _record(
        "raise_request.create",
        budget,
        organization,
        actor,
        request=asked.id,
        credits=credits_text(micros),
        until=until.isoformat(),
        reason=reason,
    )
    return asked


@transaction.atomic
def grant(request: RaiseRequest, *, actor: audit.Actor) -> BudgetRaise:
    """Raise the limit as it was asked. Raises: NotAllowed, AlreadyDecided, OwnLimit,
    NoSuchBudget, InvalidBudget when its end has passed."""
    request = _pending(request, actor)
    organization = request.organization
    if request.asked_by_id is not None and request.asked_by == actor.user:
        raise OwnLimit
    budget = _in_force(organization, request.budget)
    _refuse_own(budget, organization, actor)
    granted = _raise(
        organization, budget, request.micros, request.until, request.reason, actor
    )
    _decide(request, RequestState.GRANTED, actor, granted=granted)
    return granted


@transaction.atomic
def refuse(request: RaiseRequest, *, reason: str, actor: audit.Actor) -> None:
    """Leave the limit as it is. Raises: NotAllowed, AlreadyDecided, InvalidBudget
    without a reason."""
    request = _pending(request, actor)
    _decide(
        request,
        RequestState.REFUSED,
        actor,
        answer=reasons.clean(reason, InvalidBudget),
    )


def _pending(request: RaiseRequest, actor: audit.Actor) -> RaiseRequest:
    policy.require(actor, request.organization_id, Permission.MANAGE_BUDGETS)
    _lock(request.organization)
    found = RaiseRequest.objects.select_related("organization", "budget", "asked_by")
    request = found.get(pk=request.pk)
    if request.state != RequestState.PENDING:
        raise AlreadyDecided
    return request


def _decide(
    request: RaiseRequest,
    state: RequestState,
    actor: audit.Actor,
    *,
    granted: BudgetRaise | None = None,
    answer: str = "",
) -> None:
    request.state, request.answer, request.granted = state, answer, granted
    request.decided_by, request.decided_at = actor.user, timezone.now()
    request.save()
    _record(
        f"raise_request.{state}",
        request.budget,
        request.organization,
        actor,
        request=request.id,
        asked_by=request.asked_by.email if request.asked_by else "",
        answer=answer,
    )


# --- the rest ----------------------------------------------------------------------


def _whom(budget: Budget) -> tuple[int | None, int | None, int | None]:
    return budget.project_id, budget.holder_id, budget.spender_id


def _lock(organization: Organization) -> None:
    """Queue changes of one account's budgets; no call waits for longer than they
    take."""
    budgets.lock(organization.account_id)


def _known(organization: Organization, budget_id: int) -> Budget:
    """In force, and theirs, its account locked. Raises: NoSuchBudget."""
    _lock(organization)
    found = Budget.objects.filter(
        id=budget_id, account_id=organization.account_id, is_active=True
    ).first()
    if found is None:
        raise NoSuchBudget
    return found


def _in_force(organization: Organization, asked_of: Budget) -> Budget:
    """The budget, or the one that has taken its place since. Raises: NoSuchBudget."""
    found = Budget.objects.filter(
        account_id=organization.account_id,
        subject=asked_of.subject,
        window=asked_of.window,
        model_pattern=asked_of.model_pattern,
        operation=asked_of.operation,
        is_active=True,
    ).first()
    if found is None:
        raise NoSuchBudget
    return found


def _refuse_own(budget: Budget, organization: Organization, actor: audit.Actor) -> None:
    """Raises: OwnLimit when the actor is who it limits."""
    membership = policy.membership_of(actor, organization.id) if actor.user else None
    holder = budget.spender.holder_id if budget.spender else budget.holder_id
    if membership is not None and holder == membership.unit_id:
        raise OwnLimit


def refuse_own_windows(organization: Organization, actor: audit.Actor) -> None:
    """Nobody says when their own limit's next window begins. Raises: OwnLimit."""
    _lock(organization)
    in_force = Budget.objects.filter(
        account_id=organization.account_id, is_active=True
    ).exclude(window=Window.TOTAL)
    for budget in in_force.select_related("spender"):
        _refuse_own(budget, organization, actor)


def _raise(
    organization: Organization,
    budget: Budget,
    micros: int,
    until: datetime,
    reason: str,
    actor: audit.Actor,
) -> BudgetRaise:
    try:
        made = budgets.raise_limit(budget.id, micros, until=until)
    except ValueError as error:
        raise InvalidBudget(f"The limit was not raised: {error}.") from error
    _record(
        "budget.raise",
        budget,
        organization,
        actor,
        raised=made.id,
        credits=credits_text(micros),
        until=until.isoformat(),
        reason=reason,
    )
    return made


def _record(
    action: str,
    budget: Budget,
    organization: Organization,
    actor: audit.Actor,
    **detail: object,
) -> None:
    audit.record(
        action,
        actor=actor,
        organization=organization,
        target=f"budget_{budget.id}",
        subject=budget.subject,
        window=budget.window,
        model_pattern=budget.model_pattern,
        operation=budget.operation,
        **detail,
    )
