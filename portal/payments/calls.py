"""The call that buys credits, for the portal's own pages and for scripts with a
session: JSON in, JSON out. An Idempotency-Key is required."""

from __future__ import annotations

import json
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from billing.models import TopUp
from billing.payments import errors, rows
from billing.payments.changes import describe
from billing.values.errors import LedgerUnavailable
from portal.models import Organization
from portal.tenants import audit, tenancy, topups
from portal.tenants.roles import Permission
from portal.tenants.tenancy import Tenant

BYTES_MAX = 16_384
# field → its type, and the name in `topups.Order`
FIELDS: dict[str, tuple[type, str]] = {
    "pack": (str, "pack"),
    "credits": (int, "credits"),
    "currency": (str, "currency"),
    "provider": (str, "provider"),
    "save_method": (bool, "saves_method"),
    "name": (str, "buyer_name"),
    "address": (str, "buyer_address"),
    "tax_id": (str, "buyer_tax_id"),
}
STATUSES: tuple[tuple[type[Exception], int, str], ...] = (
    (errors.BadKey, 400, "idempotency_key_missing"),
    (errors.KeyReused, 409, "idempotency_key_reused"),
    (errors.AccountSuspended, 403, "organization_suspended"),
    (errors.TooManyPending, 429, "too_many_pending"),
    (errors.UnknownPack, 422, "unknown_pack"),
    (errors.UnknownCurrency, 422, "unknown_currency"),
    (errors.TopUpRefused, 422, "invalid_top_up"),
    (errors.ProviderOff, 422, "provider_not_available"),
    (errors.ProviderRefusal, 502, "provider_refused"),
    (errors.ProviderError, 503, "provider_down"),
    (LedgerUnavailable, 503, "try_again"),
)


class BadCall(Exception):
    """The body is none that this call takes."""

    def __init__(self, message: str, param: str = "") -> None:
        super().__init__(message)
        self.param = param


@tenancy.page(Permission.BUY_CREDITS)
@require_POST
def buy(request: HttpRequest, tenant: Tenant) -> HttpResponse:
    """201 a new top-up, 200 the one that this key stands for."""
    key = request.headers.get("Idempotency-Key", "")
    try:
        if not key.strip():
            raise errors.BadKey("This call needs the header Idempotency-Key.")
        order = _order(request)
        topup = topups.buy(
            tenant.organization, order, key=key, actor=audit.actor_of(request)
        )
    except BadCall as bad:
        return _error(400, "invalid_request", str(bad), bad.param)
    except tuple(kind for kind, *_ in STATUSES) as refusal:
        return _refused(refusal)
    return JsonResponse(_shown(topup), status=200 if topup.is_repeat else 201)


@never_cache
@login_required
def back(request: HttpRequest, topup_id: str) -> HttpResponse:
    """Where a provider sends the buyer back to: no provider knows a slug. Whether it
    was paid is not decided by who comes here."""
    name = rows.named(topup_id)
    found = TopUp.objects.filter(id=name).first() if name else None
    organization = (
        found
        and Organization.objects.filter(
            account_id=found.account_id,
            memberships__user=request.user.pk,
            memberships__disabled_at=None,
        ).first()
    )
    if found is None or not organization:
        raise Http404
    return redirect("topup", organization.slug, found.id)


def _order(request: HttpRequest) -> topups.Order:
    """Raises: BadCall."""
    if len(request.body) > BYTES_MAX:
        raise BadCall("The body is too large.")
    try:
        values = json.loads(request.body)
    except (ValueError, RecursionError):
        raise BadCall("The body is no JSON.") from None
    if type(values) is not dict:
        raise BadCall("The body is no JSON object.")
    found: dict[str, Any] = {}
    for name, value in values.items():
        if name not in FIELDS:
            raise BadCall(f"Unknown field: {name[:40]}", name[:40])
        kind, own_name = FIELDS[name]
        if type(value) is not kind:  # true is no number, and 1.5 no amount
            raise BadCall(f"{name} has to be of type {kind.__name__}.", name)
        if kind is str and not str(value).replace("\n", " ").isprintable():
            raise BadCall(f"{name} is no text.", name)
        found[own_name] = value
    return topups.Order(**found)


def _shown(topup: TopUp) -> dict[str, Any]:
    return {
        **describe(topup),
        "url": topup.pay_url or None,
        "pack": topup.pack or None,
        "created_at": topup.created_at.isoformat(timespec="seconds"),
    }


def _refused(refusal: Exception) -> HttpResponse:
    status, code = next(
        (status, code) for kind, status, code in STATUSES if isinstance(refusal, kind)
    )
    words = str(refusal)
    if isinstance(refusal, LedgerUnavailable):
        words = "The database did not answer. Send the same call again."
    elif status in (502, 503):
        words = "The payment provider did not do it. Send the same call again later."
    answer = _error(status, code, words, getattr(refusal, "field", ""))
    if status == 503:
        answer["Retry-After"] = "5"
    return answer


def _error(status: int, code: str, message: str, param: str = "") -> HttpResponse:
    error = {
        "type": "invalid_request_error" if status < 500 else "api_error",
        "code": code,
        "message": message,
        "param": param or None,
    }
    return JsonResponse({"error": error}, status=status)
