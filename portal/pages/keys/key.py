"""The page of one key, and what is changed there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from billing.reports import periods
from billing.reports.usage import Chosen, Dimension, Figures
from portal.models import ApiKey, AuditEvent
from portal.pages.keys.forms import ExpiryForm, NameForm, RevokeForm, RotateForm
from portal.pages.keys.new import show_secret
from portal.pages.keys.rows import in_parts, rows
from portal.pages.parts import frame, navigation, stacks
from portal.tenants import audit, key_edits, keys, rules, tenancy
from portal.tenants.errors import HolderNotActive, KeyNotActive, PortalError
from portal.tenants.roles import Permission
from portal.tenants.tenancy import Tenant

DAYS = 30
EVENTS_MAX = 50


@require_safe
@tenancy.page(*navigation.KEYS)
def key_page(request: HttpRequest, tenant: Tenant, key_id: UUID) -> HttpResponse:
    key = visible_key(tenant, key_id)
    may_change = tenant.may_change(key) and not key.is_revoked
    return _show(
        request,
        tenant,
        key,
        name_form=NameForm(initial={"name": key.name}) if may_change else None,
        expiry_form=_expiry_form(tenant, key) if may_change else None,
    )


def _show(
    request: HttpRequest, tenant: Tenant, key: ApiKey, **forms: Any
) -> HttpResponse:
    [row] = rows(tenant, [key])
    model_rules = rules.of_key(key, [key.spender])
    context = {
        "row": row,
        "key": key,
        "may_change": tenant.may_change(key) and not key.is_revoked,
        "may_limit": tenant.may(Permission.MANAGE_BUDGETS),
        "rules": model_rules,
        "events": _events(tenant, key),
        **_usage(tenant, key),
        **forms,
    }
    return frame.show(request, tenant, "keys/key.html", context)


def _expiry_form(tenant: Tenant, key: ApiKey, data: Any = None) -> ExpiryForm:
    zone = frame.zone_of(tenant)
    initial = {}
    if key.expires_at:
        last = key.expires_at.astimezone(zone) - timedelta(microseconds=1)
        initial = {"lifetime": "date", "expires_on": last.date()}
    return ExpiryForm(zone, data, initial=initial, prefix="expiry")


def _usage(tenant: Tenant, key: ApiKey) -> dict[str, Any]:
    """The last 30 days, and by model."""
    account = tenant.organization.account
    span = periods.last_days(account.time_zone, DAYS)
    slots = periods.buckets(span, periods.Bucket.DAY, account.time_zone)
    of_key = Chosen(account.id).narrowed(Dimension.KEY, key.spender.limited_id)
    ranges = [periods.Range(slot.start, slot.end) for slot in slots]
    by_model = in_parts(of_key, ranges, Dimension.MODEL)
    zone = frame.zone_of(tenant)
    bars = [
        stacks.Bar(
            f"{slot.begins.astimezone(zone):%Y-%m-%d}",
            {str(name): used[at].charged_micros for name, used in by_model.items()},
        )
        for at, slot in enumerate(slots)
    ]
    models = [(name, sum(used, Figures())) for name, used in by_model.items()]
    title = f"Credits spent on each of the last {DAYS} days, by model"
    return {
        "stack": stacks.stacked(title, bars),
        "total": sum((used for _, used in models), Figures()),
        "models": sorted(models, key=lambda each: -each[1].charged_micros),
    }


def _events(tenant: Tenant, key: ApiKey) -> list[AuditEvent]:
    """What was done to the key, the newest first. Who may not see the audit trail sees
    what they may do themselves, which is all of it."""
    found = AuditEvent.objects.filter(
        organization=tenant.organization, detail__key_id=str(key.pk)
    )
    return list(found.order_by("-at", "-pk")[:EVENTS_MAX])


@tenancy.page(*navigation.KEYS)
@require_POST
def key_edit(request: HttpRequest, tenant: Tenant, key_id: UUID) -> HttpResponse:
    """Its name, or its end."""
    key = changeable_key(tenant, key_id)
    actor = audit.actor_of(request)
    name_form = NameForm(initial={"name": key.name})
    expiry_form = _expiry_form(tenant, key)
    form: NameForm | ExpiryForm
    if "name" in request.POST:
        form = name_form = NameForm(request.POST)
    else:
        form = expiry_form = _expiry_form(tenant, key, request.POST)
    if form.is_valid():
        try:
            if isinstance(form, NameForm):
                key_edits.rename(key, form.cleaned_data["name"], actor=actor)
            else:
                key_edits.set_expiry(key, form.cleaned_data["expires_at"], actor=actor)
            messages.success(request, "Saved.")
            return redirect("key", tenant.organization.slug, key.pk)
        except PortalError as refusal:
            form.add_error(None, str(refusal))
    return _show(request, tenant, key, name_form=name_form, expiry_form=expiry_form)


STATES: dict[str, tuple[Callable[..., bool], str]] = {
    "disable": (key_edits.disable, "is disabled: its next call is refused."),
    "enable": (key_edits.enable, "is enabled."),
}


@tenancy.page(*navigation.KEYS)
@require_POST
def key_state(request: HttpRequest, tenant: Tenant, key_id: UUID) -> HttpResponse:
    """Disable or enable; twice is once."""
    key = changeable_key(tenant, key_id)
    wanted = request.POST.get("act", "")
    if wanted not in STATES:
        raise Http404
    operation, words = STATES[wanted]
    operation(key, actor=audit.actor_of(request))
    messages.success(request, f"{key.name} {words}")
    return redirect("key", tenant.organization.slug, key.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@tenancy.page(*navigation.KEYS)
@sensitive_variables()
def key_rotate(request: HttpRequest, tenant: Tenant, key_id: UUID) -> HttpResponse:
    key = changeable_key(tenant, key_id)
    form = RotateForm(request.POST or None, initial={"seen": key.spender_id})
    if not form.is_valid():
        context = {"form": form, "key": key}
        return frame.show(request, tenant, "keys/rotate.html", context)
    overlap = timedelta(hours=int(form.cleaned_data["overlap"]))
    return rotate(request, tenant, key, overlap, form.cleaned_data["seen"])


@sensitive_variables()
def rotate(
    request: HttpRequest, tenant: Tenant, key: ApiKey, overlap: timedelta, seen: int
) -> HttpResponse:
    """The new secret; or, where `seen` is not the newest any more, back to the key."""
    try:
        if seen != key.spender_id:
            raise KeyNotActive
        key, secret = keys.rotate(key, overlap, actor=audit.actor_of(request))
    except (KeyNotActive, HolderNotActive) as refusal:
        messages.error(request, str(refusal))
        return redirect("key", tenant.organization.slug, key.pk)
    replaced = keys.secrets_in_force(key)[1:]
    return show_secret(request, tenant, key, secret, is_rotated=True, replaced=replaced)


@tenancy.page(*navigation.KEYS)
@require_POST
def key_end_secret(
    request: HttpRequest, tenant: Tenant, key_id: UUID, secret_id: int
) -> HttpResponse:
    """End an overlap before its time; twice is once."""
    key = changeable_key(tenant, key_id)
    secret = get_object_or_404(key.secrets.select_related("key"), pk=secret_id)
    if secret.spender_id == key.spender_id:
        raise Http404
    key_edits.end_secret(secret, actor=audit.actor_of(request))
    messages.success(request, f"The old secret {secret.hint} is refused from now on.")
    return redirect("key", tenant.organization.slug, key.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@tenancy.page(*navigation.KEYS)
def key_revoke(request: HttpRequest, tenant: Tenant, key_id: UUID) -> HttpResponse:
    key = changeable_key(tenant, key_id)
    form = RevokeForm(key.name, request.POST or None)
    if key.is_revoked or not form.is_valid():
        [row] = rows(tenant, [key])
        context = {"key": key, "row": row, "form": form}
        return frame.show(request, tenant, "keys/revoke.html", context)
    keys.revoke(key, actor=audit.actor_of(request))
    messages.success(request, f"{key.name} is revoked: its next call is refused.")
    return redirect("keys", tenant.organization.slug)


def visible_key(tenant: Tenant, key_id: UUID) -> ApiKey:
    """Raises: Http404."""
    visible = tenant.visible_keys().select_related(
        "project", "spender__holder", "created_by", "organization"
    )
    return get_object_or_404(visible, pk=key_id)


def changeable_key(tenant: Tenant, key_id: UUID) -> ApiKey:
    """Raises: Http404 for a key the member may not see, or may not change."""
    key = visible_key(tenant, key_id)
    if not tenant.may_change(key):
        raise Http404
    return key
