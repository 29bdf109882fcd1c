"""`/v1/webhook_endpoints`: where events are sent, as OpenAI's `client.webhooks` manages
it. Free. The key's holder acts, and needs the right to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from django.conf import settings
from django.http.response import HttpResponseBase
from rest_framework.request import Request

from billing.values.event_types import EVENT_TYPES
from portal.models import EndpointKind, Organization, WebhookEndpoint
from portal.notices import by_hand, by_key, endpoints, reach, sending
from portal.notices.by_hand import TooManyTests
from portal.notices.endpoints import (
    CHOICES,
    InvalidEndpoint,
    NoSuchEndpoint,
    TooManyEndpoints,
    Wanted,
)
from portal.tenants import policy, roles
from portal.tenants.audit import Actor
from portal.tenants.errors import NotAllowed
from portal.tenants.roles import Permission
from proxy.http import refusals, reply, webhook_refusals
from proxy.process.database import read_for, write_for
from proxy.views.base import AsyncAPIView, read_json
from proxy.views.fields import page_size, seconds

T = TypeVar("T")

FIELDS = ("name", "url", "event_types")


class WebhooksView(AsyncAPIView):
    """What the routes below have in common."""

    async def acted(self, act: Callable[[Actor, Organization], T]) -> T:
        """What `act` returns, which asks for the rights itself.

        Raises: GatewayError, LedgerUnavailable.
        """
        key_id, owner = self.identity.key_id, self.identity.account_id
        acting = write_for(owner, lambda: act(*by_key.holder_of(key_id)))
        return await _said(acting)

    async def looked(self, look: Callable[[Organization], T]) -> T:
        """The same for what changes nothing; only who may change it may look."""
        key_id = self.identity.key_id

        def ask() -> T:
            actor, organization = by_key.holder_of(key_id)
            membership = organization.memberships.filter(user=actor.user).first()
            role = membership.role if membership else ""
            policy.refuse_unless(roles.may(role, Permission.MANAGE_WEBHOOKS))
            return look(organization)

        return await _said(read_for(self.identity.account_id, ask))


class EndpointsView(WebhooksView):
    """All of the organization's, and making one."""

    async def get(self, request: Request) -> HttpResponseBase:
        query = request._request.GET
        count, after = page_size(query.get("limit")), query.get("after")

        def page(organization: Organization) -> dict[str, Any]:
            found = endpoints.of_organization(organization.id, EndpointKind.WEBHOOK)
            rows = list(found.order_by("-created_at", "-id"))
            ids = [row.public_id for row in rows]
            if after is not None and after not in ids:
                raise NoSuchEndpoint
            start = 0 if after is None else ids.index(after) + 1
            data = [describe(row) for row in rows[start : start + count]]
            shown = ids[start : start + count]
            return {
                "object": "list",
                "data": data,
                "first_id": shown[0] if shown else None,
                "last_id": shown[-1] if shown else None,
                "has_more": start + count < len(rows),
            }

        return reply.json(await self.looked(page))

    async def post(self, request: Request) -> HttpResponseBase:
        wanted = await _wanted(request, needed=FIELDS)

        def create(actor: Actor, organization: Organization) -> dict[str, Any]:
            made, secret = endpoints.create(organization, wanted, actor=actor)
            return {**describe(made), "signing_secret": secret}

        return reply.json(await self.acted(create))


class EndpointView(WebhooksView):
    """One of them."""

    http_method_names = ["get", "head", "post", "delete"]

    async def get(self, request: Request, endpoint_id: str) -> HttpResponseBase:
        look = self.looked(lambda org: describe(endpoints.find(org.id, endpoint_id)))
        return reply.json(await look)

    async def post(self, request: Request, endpoint_id: str) -> HttpResponseBase:
        wanted = await _wanted(request)

        def change(actor: Actor, organization: Organization) -> dict[str, Any]:
            found = endpoints.find(organization.id, endpoint_id)
            endpoints.change(found, wanted, actor=actor)
            found.refresh_from_db()
            return describe(found)

        return reply.json(await self.acted(change))

    async def delete(self, request: Request, endpoint_id: str) -> HttpResponseBase:
        def delete(actor: Actor, organization: Organization) -> None:
            found = endpoints.find(organization.id, endpoint_id)
            endpoints.delete(found, actor=actor)

        await self.acted(delete)
        gone = {"object": "webhook_endpoint.deleted", "id": endpoint_id}
        return reply.json({**gone, "deleted": True})


class RotateView(WebhooksView):
    """A new secret; the old one may sign beside it for 24 hours."""

    http_method_names = ["post"]

    async def post(self, request: Request, endpoint_id: str) -> HttpResponseBase:
        name = "keep_old_secret_active_for_24_hours"
        keeps = (await _body(request, name)).get(name, False)
        if not isinstance(keeps, bool):
            raise refusals.invalid(f"{name} must be true or false.", param=name)

        def rotate(actor: Actor, organization: Organization) -> dict[str, Any]:
            found = endpoints.find(organization.id, endpoint_id)
            secret = endpoints.rotate_secret(found, keeps_old=keeps, actor=actor)
            found.refresh_from_db()
            return {**describe(found), "signing_secret": secret}

        return reply.json(await self.acted(rotate))


class TestView(WebhooksView):
    """An event that says that it is a test, sent at once; what came back."""

    http_method_names = ["post"]

    async def post(self, request: Request, endpoint_id: str) -> HttpResponseBase:
        kind = (await _body(request, "event_type")).get("event_type")
        if not isinstance(kind, str) or not kind:
            text = "event_type must be the name of an event."
            raise refusals.invalid(text, param="event_type")

        def prepare(actor: Actor, organization: Organization) -> Any:
            found = endpoints.find(organization.id, endpoint_id)
            return by_hand.prepare_test(found, kind, actor=actor)

        # Not in a thread of the database's: a receiver may take its time.
        outcome = await sending.attempt(await self.acted(prepare), reach.guard())
        if outcome.status is None:
            raise webhook_refusals.no_answer(outcome.error)
        said = {"object": "webhook_endpoint.test", "webhook_endpoint_id": endpoint_id}
        status = {"status_code": outcome.status, "success": True}
        return reply.json({**said, "event_type": kind, **status})


class EventTypesView(WebhooksView):
    """What an endpoint can be told of."""

    async def get(self, request: Request) -> HttpResponseBase:
        described = {name: EVENT_TYPES[name] for name in CHOICES}
        document = {"object": "list", "data": CHOICES, "descriptions": described}
        return reply.json(document)


def describe(endpoint: WebhookEndpoint) -> dict[str, Any]:
    """As OpenAI's `webhook_endpoint`; beside it whether anything is sent."""
    return {
        "object": "webhook_endpoint",
        "id": endpoint.public_id,
        "name": endpoint.name,
        "url": endpoint.url,
        "event_types": endpoint.event_types,
        "created_at": seconds(endpoint.created_at),
        "updated_at": seconds(endpoint.updated_at),
        "signing_secret_hint": endpoint.hint,
        "status": "disabled" if endpoint.disabled_at else "enabled",
        "disabled_reason": endpoint.why_disabled or None,
    }


async def _wanted(request: Request, needed: tuple[str, ...] = ()) -> Wanted:
    """Raises: GatewayError (400, 413, 415)."""
    body = await _body(request, *FIELDS)
    for field in needed:
        if body.get(field) is None:
            raise refusals.invalid(f"{field} is needed.", param=field)
    name, url, types = (body.get(field) for field in FIELDS)
    for field, value in (("name", name), ("url", url)):
        if value is not None and not isinstance(value, str):
            raise refusals.invalid(f"{field} must be a text.", param=field)
    if types is not None and not (
        isinstance(types, list) and all(isinstance(each, str) for each in types)
    ):
        text = "event_types must be a list of names of events."
        raise refusals.invalid(text, param="event_types")
    if url is not None:
        # Here, so that no thread of the database's waits for a name server.
        try:
            url = await reach.look_up(url.strip())
        except reach.UnfitAddress as error:
            raise refusals.invalid(f"url: {error}", param="url") from None
    return Wanted(name, url, types)


async def _body(request: Request, *fields: str) -> dict[str, Any]:
    """Raises: GatewayError (400, 413, 415)."""
    body = await read_json(request, bytes_max=settings.GATEWAY_BODY_BYTES_MAX)
    if unknown := sorted(set(body) - set(fields)):
        text = f"There is no {unknown[0][:80]!r} here, but {', '.join(fields)}."
        raise refusals.invalid(text, param=unknown[0][:80])
    return body


async def _said(work: Awaitable[T]) -> T:
    """Raises: GatewayError, LedgerUnavailable."""
    try:
        return await work
    except InvalidEndpoint as error:
        text = f"{error.field}: {error}"
        raise refusals.invalid(text, param=error.field) from None
    except NoSuchEndpoint:
        raise webhook_refusals.not_found() from None
    except TooManyTests as error:
        raise webhook_refusals.too_many_tests(str(error)) from None
    except TooManyEndpoints as error:
        raise webhook_refusals.too_many(str(error)) from None
    except NotAllowed as error:
        raise refusals.permission_denied(str(error)) from None
