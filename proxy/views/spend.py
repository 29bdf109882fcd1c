"""The routes that cost: read the call, hold its credits, forward it."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.request import Request

from proxy.calls import exchange
from proxy.calls.call import Call, Mode, Operation
from proxy.calls.origin import origin_of
from proxy.forwarding.forward import forward
from proxy.http import multipart, refusals, reply, shares, upload_turns
from proxy.http.handler import LeanRequest
from proxy.idempotency import fingerprints
from proxy.idempotency.attempts import Attempt, Reply
from proxy.idempotency.once import keep, once
from proxy.jobs import submission
from proxy.limits import allowed, rates
from proxy.limits.rates import Allowance
from proxy.process.caches import digest_key
from proxy.upstream.catalogue import catalogue
from proxy.views.authentication import RememberedBearerAuthentication
from proxy.views.base import (
    Asked,
    AsyncAPIView,
    as_incoming,
    read_json_now,
    uncompressed,
    understand,
    with_full_name,
)


class SpendingView(AsyncAPIView):
    """The one way to spend: every route that costs goes through `post`."""

    authentication_classes = [RememberedBearerAuthentication]
    is_for_suspended = True  # the hold's own transaction asks, as it is by then
    is_call = True
    operation: Operation = None  # type: ignore[assignment]  # given by the route
    allowance: Allowance | None = None
    call: Call | None = None  # once it is understood

    def asked(self) -> Asked:
        return Asked(self.operation.name, self.call.model if self.call else "")

    async def rate_headers(self) -> dict[str, str]:
        """As they stand with this request."""
        if self.allowance is None:
            return await super().rate_headers()
        return self.allowance.headers()

    async def _read(self, request: Request) -> Call:
        """Raises: GatewayError (400, 408, 413, 415, 429, 503)."""
        lean, owner = uncompressed(request), self.identity.account_id
        takes_forms = self.operation.takes_forms
        bytes_max = (
            settings.GATEWAY_UPLOAD_BYTES_MAX
            if takes_forms
            else settings.GATEWAY_BODY_BYTES_MAX
        )
        async with upload_turns.turn(lean, owner, bytes_max=bytes_max):
            read = _upload if takes_forms else read_json_now
            form = await with_full_name(await read(request, bytes_max=bytes_max))
            if self.operation.recall:
                form = await self.operation.recall(form, owner)
            incoming = as_incoming(request, form)
            try:
                return await understand(self.operation, incoming, self.identity, lean)
            finally:
                if takes_forms:
                    multipart.close_uploads(incoming.document)

    async def post(self, request: Request) -> HttpResponseBase:
        lean = request._request
        assert isinstance(lean, LeanRequest)
        mark = fingerprints.read(lean.META)
        self.call = call = await self._read(request)
        allowed.check_call(self.identity, call.operation, call.model)
        tokens = call.tokens_guess
        self.allowance = allowance = await rates.take(self.identity.rules, tokens)
        try:
            if allowance.refusal:
                raise allowance.refusal
            return await self._once(call, mark, lean)
        finally:
            await allowance.close()

    async def _once(
        self, call: Call, mark: fingerprints.Mark | None, lean: LeanRequest
    ) -> HttpResponseBase:
        if mark is None:
            response = await self.spend(call)
            if call.is_kept and isinstance(response, HttpResponse):
                hold_id = response["x-request-id"].removeprefix("req_")
                keep(Reply.of(response), hold_id, self.identity)
            return response
        key = await digest_key.get()
        fingerprint = fingerprints.of_request(mark, lean, self.identity, key)
        attempt = Attempt(mark, fingerprint, arrived=lean.arrived)
        lean.watch(attempt)
        make = partial(self.spend, call)
        return await once(attempt, self.identity, self.presented, make)

    async def spend(
        self, call: Call, attempt: Attempt | None = None
    ) -> HttpResponseBase:
        """One call, held, forwarded and settled. Raises: as `exchange.begin`; nothing
        was forwarded then."""
        shares.check_call(self.identity.account_id, len(call.content))
        origin = origin_of(self.request._request.META, self.identity.account_id)
        begun = await exchange.begin(
            call, self.identity, self.presented, attempt=attempt, origin=origin
        )
        if self.allowance:
            begun.counts_for(self.allowance)
        try:
            make = forward if call.mode == Mode.PLAIN else submission.submit
            return await make(begun)
        except Exception as error:  # noqa: BLE001  translated, or raised again
            refused = refusals.translate(error)
            if refused is None:
                raise
            if refused.status == 404:
                refused = catalogue.suggest(refused, call.model)
            return reply.error(refused, begun.headers())


async def _upload(request: Request, *, bytes_max: int) -> dict[str, Any]:
    """The body, as JSON or a form. Raises: GatewayError (400, 415), BodyTooLarge,
    ClientGone, TimeoutError."""
    lean = uncompressed(request)
    if lean.content_type != multipart.MULTIPART:
        return await read_json_now(request, bytes_max=bytes_max)
    form = await multipart.read_form(
        lean, bytes_max=bytes_max, seconds_max=settings.GATEWAY_BODY_SECONDS_MAX
    )
    if fingerprints.takes_part(lean.META):
        lean.body_digest = await asyncio.to_thread(
            lambda: fingerprints.parts_digest(multipart.parts(form))
        )
    return form
