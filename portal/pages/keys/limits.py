"""What limits one key: its own budgets and rules, changed by who manages them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from billing.budgets import Subject
from billing.models import Budget
from billing.models.budget import Level, Window
from portal.models import ApiKey, KeyRights, Rules
from portal.pages.keys.fields import RulesForm
from portal.pages.keys.forms import BUDGETS, BudgetsForm, RightsForm
from portal.pages.keys.key import visible_key
from portal.pages.parts import frame
from portal.tenants import audit, budgets, key_rights, rules, tenancy
from portal.tenants.errors import PortalError
from portal.tenants.roles import Permission
from portal.tenants.tenancy import Tenant


@require_http_methods(["GET", "HEAD", "POST"])
@tenancy.page(Permission.MANAGE_ORGANIZATION)
def key_limits(request: HttpRequest, tenant: Tenant, key_id: UUID) -> HttpResponse:
    key = visible_key(tenant, key_id)
    known = _budgets(key)
    data = request.POST or None
    money = BudgetsForm(data, initial=_shown(known))
    ruled = RulesForm(data, initial=_rules(key))
    rights = RightsForm(data, initial=_rights(key))
    every = (money, ruled, rights)
    # A list: all of them say what is wrong.
    if data is not None and not [form for form in every if not form.is_valid()]:
        try:
            with transaction.atomic():  # all of it or nothing
                actor = audit.actor_of(request)
                key_rights.give(key, actor=actor, **rights.cleaned_data)
                _save(tenant, key, money, ruled, known, actor)
        except PortalError as refusal:
            money.add_error(None, str(refusal))
        else:
            messages.success(request, "The limits are saved: they count from now on.")
            return redirect("key", tenant.organization.slug, key.pk)
    context = {"key": key, "form": money, "rules_form": ruled, "rights_form": rights}
    return frame.show(request, tenant, "keys/limits.html", context)


def _budgets(key: ApiKey) -> dict[Window, Budget]:
    """Its own, of every model and operation."""
    found = Budget.objects.filter(
        account_id=key.organization.account_id,
        subject=f"key:{key.spender.limited_id}",
        is_active=True,
        model_pattern="",
        operation="",
    )
    return {Window(each.window): each for each in found}


def _shown(known: dict[Window, Budget]) -> dict[str, int]:
    return {
        name: known[window].limit_micros
        for name, window in BUDGETS.items()
        if window in known
    }


def _rules(key: ApiKey) -> dict[str, Any]:
    row = Rules.objects.filter(api_key=key).first()
    if row is None:
        return {}
    return {
        "models": rules.listed(row.model_patterns),
        "operations": list(rules.listed(row.operations)),
        "networks": rules.listed(row.networks),
        **{name: getattr(row, name) for name in rules.RATES},
    }


def _rights(key: ApiKey) -> dict[str, bool]:
    row = KeyRights.objects.filter(key=key).first() or KeyRights()
    return {"sees_balance": row.sees_balance, "sees_project": row.sees_project}


def _save(
    tenant: Tenant,
    key: ApiKey,
    money: BudgetsForm,
    ruled: RulesForm,
    known: dict[Window, Budget],
    actor: audit.Actor,
) -> None:
    """Raises: PortalError."""
    organization = tenant.organization
    for window, micros in money.wanted().items():
        before = known.get(window)
        if micros is None and before is not None:
            budgets.remove(organization, before.id, actor=actor)
        elif micros is not None and (before is None or before.limit_micros != micros):
            budgets.set_limit(
                organization,
                Subject(Level.KEY, spender_id=key.spender_id),
                window,
                micros,
                counts_spend_so_far=True,
                actor=actor,
            )
    given = ruled.rules()
    if any(given.columns().values()) or Rules.objects.filter(api_key=key).exists():
        rules.set_rules(
            organization,
            actor=actor,
            key=key,
            requests_per_minute=given.requests_per_minute,
            tokens_per_minute=given.tokens_per_minute,
            calls_at_once=given.calls_at_once,
            models=given.models,
            operations=given.operations,
            networks=given.networks,
        )
