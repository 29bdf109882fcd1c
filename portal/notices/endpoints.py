"""Endpoints: where an organization's programs and chats are told of events.

A webhook is its owners' and admins' to manage, a chat also who manages alerts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from billing.values import clock
from billing.values.event_types import EVENT_TYPES
from portal.models import (
    EndpointKind,
    Organization,
    WebhookEndpoint,
    WhyDisabled,
)
from portal.models.webhook import URL_MAX
from portal.notices import reach, signing
from portal.signing_in import sealing
from portal.tenants import audit, names, policy
from portal.tenants.errors import InvalidName, PortalError
from portal.tenants.members import lock as lock_organization
from portal.tenants.roles import Permission

ENDPOINTS_MAX = 20
OVERLAP = timedelta(hours=24)
# What only a test sends, and never an event of itself.
NOT_CHOSEN = {"endpoint.test"}
CHOICES = [name for name in EVENT_TYPES if name not in NOT_CHOSEN]


class InvalidEndpoint(PortalError):
    """A field that makes no sense. Nothing was written."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class TooManyEndpoints(PortalError):
    message = f"An organization has {ENDPOINTS_MAX} endpoints at most: delete one."


class NoSuchEndpoint(PortalError):
    message = "The organization has no such endpoint."


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants of an endpoint; None: as it is."""

    name: str | None = None
    url: str | None = None
    event_types: Sequence[str] | None = None


def permission_for(kind: str) -> Permission:
    is_webhook = kind == EndpointKind.WEBHOOK
    return Permission.MANAGE_WEBHOOKS if is_webhook else Permission.MANAGE_ALERTS


def of_organization(organization_id: int, *kinds: str) -> QuerySet[WebhookEndpoint]:
    """Those that were not deleted, of all kinds or these."""
    found = WebhookEndpoint.objects.filter(
        organization_id=organization_id, deleted_at=None
    )
    return found.filter(kind__in=kinds) if kinds else found


def create(
    organization: Organization,
    wanted: Wanted,
    *,
    actor: audit.Actor,
    kind: str = EndpointKind.WEBHOOK,
) -> tuple[WebhookEndpoint, str]:
    """The endpoint, and its secret, which is told only once; a chat's is its address.

    Looks the host up, so it blocks for five seconds at most. Raises: NotAllowed,
    InvalidEndpoint, TooManyEndpoints.
    """
    name, url = _name(wanted.name or ""), _url(wanted.url or "")
    types = _types(wanted.event_types or ())
    is_chat = kind != EndpointKind.WEBHOOK
    secret = url if is_chat else signing.new_secret()
    with transaction.atomic():
        lock_organization(organization.id)
        policy.require(actor, organization.id, permission_for(kind))
        if of_organization(organization.id).count() >= ENDPOINTS_MAX:
            raise TooManyEndpoints
        now = clock.now()
        endpoint = organization.webhook_endpoints.create(
            kind=kind,
            name=name,
            url="" if is_chat else url,
            event_types=types,
            sealed_secret=sealing.seal(secret),
            hint=_hint(url) if is_chat else signing.hint_of(secret),
            created_by=actor.user,
            created_at=now,
            updated_at=now,
        )
        _record("webhook.create", endpoint, actor, url=endpoint.url, event_types=types)
    return endpoint, secret


def change(endpoint: WebhookEndpoint, wanted: Wanted, *, actor: audit.Actor) -> bool:
    """From the next attempt on; whether that changed anything. A chat's address stays.

    Raises: NotAllowed, InvalidEndpoint, NoSuchEndpoint.
    """
    after: dict[str, object] = {}
    if wanted.name is not None:
        after["name"] = _name(wanted.name)
    if wanted.url is not None and endpoint.kind == EndpointKind.WEBHOOK:
        after["url"] = _url(wanted.url)
    if wanted.event_types is not None:
        after["event_types"] = _types(wanted.event_types)
    with transaction.atomic():
        row = _locked(endpoint, actor)
        before = {name: getattr(row, name) for name in after}
        if before == after:
            return False
        for name, value in after.items():
            setattr(row, name, value)
        _save(row, *after)
        _record("webhook.change", row, actor, before=before, after=after)
        return True


@transaction.atomic
def delete(endpoint: WebhookEndpoint, *, actor: audit.Actor) -> None:
    """Send nothing there any more, for good. Raises: NotAllowed, NoSuchEndpoint."""
    row = _locked(endpoint, actor)
    row.deleted_at = clock.now()
    row.sealed_secret = row.sealed_former = ""
    _save(row, "deleted_at", "sealed_secret", "sealed_former")
    _record("webhook.delete", row, actor, url=row.url)


@transaction.atomic
def rotate_secret(
    endpoint: WebhookEndpoint, *, keeps_old: bool, actor: audit.Actor
) -> str:
    """A new secret, told only now. With `keeps_old` the old one signs beside it for 24
    hours. Raises: NotAllowed, NoSuchEndpoint."""
    row = _locked(endpoint, actor)
    if row.kind != EndpointKind.WEBHOOK:
        raise NoSuchEndpoint
    secret = signing.new_secret()
    row.sealed_former = row.sealed_secret if keeps_old else ""
    row.former_until = clock.now() + OVERLAP if keeps_old else None
    row.sealed_secret, row.hint = sealing.seal(secret), signing.hint_of(secret)
    _save(row, "sealed_former", "former_until", "sealed_secret", "hint")
    _record("webhook.rotate", row, actor, keeps_old=keeps_old)
    return secret


@transaction.atomic
def disable(endpoint: WebhookEndpoint, *, actor: audit.Actor) -> bool:
    """Send nothing there until `enable`; what waits is kept. Whether that is new.

    Raises: NotAllowed, NoSuchEndpoint.
    """
    row = _locked(endpoint, actor)
    if row.disabled_at is not None:
        return False
    row.disabled_at, row.why_disabled = clock.now(), WhyDisabled.BY_HAND
    _save(row, "disabled_at", "why_disabled")
    _record("webhook.disable", row, actor)
    return True


@transaction.atomic
def enable(endpoint: WebhookEndpoint, *, actor: audit.Actor) -> bool:
    """Send there again, first what waited. Whether that is new.

    Raises: NotAllowed, NoSuchEndpoint.
    """
    row = _locked(endpoint, actor)
    if row.disabled_at is None:
        return False
    row.disabled_at, row.why_disabled = None, ""
    row.failing_since, row.failures, row.not_before = None, 0, None
    _save(
        row,
        *("disabled_at", "why_disabled", "failing_since", "failures", "not_before"),
    )
    _record("webhook.enable", row, actor)
    return True


def find(organization_id: int, public_id: str) -> WebhookEndpoint:
    """A webhook by the id that programs know. Raises: NoSuchEndpoint."""
    prefix, _, digits = public_id.partition("_")
    try:
        known = UUID(hex=digits)
    except ValueError:
        raise NoSuchEndpoint from None
    found = of_organization(organization_id, EndpointKind.WEBHOOK).filter(id=known)
    if prefix != "we" or (endpoint := found.first()) is None:
        raise NoSuchEndpoint
    return endpoint


def _locked(endpoint: WebhookEndpoint, actor: audit.Actor) -> WebhookEndpoint:
    """Raises: NotAllowed, NoSuchEndpoint when it was deleted meanwhile."""
    policy.require(actor, endpoint.organization_id, permission_for(endpoint.kind))
    rows = of_organization(endpoint.organization_id).select_for_update(no_key=True)
    row = rows.filter(id=endpoint.id).first()
    if row is None:
        raise NoSuchEndpoint
    return row


def _save(row: WebhookEndpoint, *changed: str) -> None:
    row.updated_at = clock.now()
    row.save(update_fields=[*changed, "updated_at"])


def _record(
    action: str, endpoint: WebhookEndpoint, actor: audit.Actor, **detail: object
) -> None:
    audit.record(
        action,
        actor=actor,
        organization=endpoint.organization,
        target=endpoint.name,
        endpoint_id=endpoint.public_id,
        **detail,
    )


def _name(text: str) -> str:
    try:
        return names.clean(text)
    except InvalidName as error:
        raise InvalidEndpoint("name", str(error)) from error


def _url(text: str) -> str:
    if not isinstance(text, reach.Checked):
        text = text.strip()
    if len(text) > URL_MAX:
        raise InvalidEndpoint("url", f"An address has {URL_MAX} characters at most.")
    try:
        reach.check(text)
    except reach.UnfitAddress as error:
        raise InvalidEndpoint("url", str(error)) from None
    return text


def _types(wanted: Sequence[str]) -> list[str]:
    """In the catalogue's order, each once."""
    unknown = [each for each in wanted if each not in CHOICES]
    if unknown or not wanted:
        what = f"no event is called {unknown[0][:60]!r}" if unknown else "choose one"
        raise InvalidEndpoint("event_types", f"Which events? Here {what}.")
    return [each for each in CHOICES if each in wanted]


def _hint(url: str) -> str:
    host = url.partition("//")[2].partition("/")[0]
    return f"{host[:40]}/…{url[-4:]}"
