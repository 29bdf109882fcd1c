"""`/v1/envelopes`: runs. Credits set aside out of a key's budgets and balance, with an
API key of their own that can spend no more than them. Free.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID, uuid4

from django.conf import settings
from django.http.response import HttpResponseBase
from rest_framework.request import Request

from billing.envelopes import PATTERN_MAX
from billing.runs import Run
from billing.values import clock, errors
from billing.values.orders import AMOUNT_MICROS_MAX, CREDIT
from portal.tenants import key_format, names, rules, runs
from portal.tenants.errors import InvalidName, RevokedKey
from portal.tenants.keys import Identity
from portal.tenants.runs import Asking, Wanted
from proxy.http import limit_refusals, refusals, reply
from proxy.http.errors import GatewayError
from proxy.http.handler import LeanRequest
from proxy.idempotency import fingerprints
from proxy.limits import rates
from proxy.limits.rates import Allowance
from proxy.process.caches import digest_key
from proxy.process.database import read_for, write_for
from proxy.views.base import AsyncAPIView, read_json
from proxy.views.fields import amount, page_size, seconds, uuid_in

T = TypeVar("T")

SECONDS_MAX = 30 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Ids:
    """What a new run is called by: always the same for one Idempotency-Key."""

    envelope_id: UUID
    secret: str


class RunsView(AsyncAPIView):
    """What is changed of runs is a request of the minute, like a call."""

    allowance: Allowance | None = None

    async def rate_headers(self) -> dict[str, str]:
        """As they stand with this request."""
        if self.allowance is None:
            return await super().rate_headers()
        return self.allowance.headers()

    async def counted(self, begin: Callable[[], Awaitable[T]]) -> T:
        """What it returns; what is refused is not counted. Raises: GatewayError (429)
        without beginning it; as `_done`."""
        self.allowance = allowance = await rates.take(self.identity.rules, 0)
        try:
            if allowance.refusal:
                raise allowance.refusal
            done = await _done(self.identity, begin())
            allowance.is_called = True
            return done
        finally:
            await allowance.close()


class EnvelopesView(RunsView):
    """Opening runs, and the list of those that the key has opened."""

    async def post(self, request: Request) -> HttpResponseBase:
        body = await _body(request, "credits", "expires_in_seconds", "models", "label")
        asking = await _asking(self, request)
        wanted, ids = _wanted(body), _ids(asking)

        def open_run() -> tuple[dict[str, Any], bool]:
            run, key, is_again = runs.open_run(
                wanted, ids.envelope_id, ids.secret, asking=asking
            )
            return describe(run, key.hint), is_again

        owner = self.identity.account_id
        document, is_again = await self.counted(
            lambda: _written(owner, open_run, asking)
        )
        said = reply.headers()
        if is_again:
            said["x-idempotent-replay"] = "true"
        return reply.json({**document, "api_key": ids.secret}, said)

    async def get(self, request: Request) -> HttpResponseBase:
        asking, query = _asks(self.identity), request._request.GET
        count, after = page_size(query.get("limit")), query.get("after")
        start = None if after is None else _known(after)

        def page() -> dict[str, Any]:
            found, has_more = runs.page(asking, after=start, count=count)
            data = [_shown(run) for run in found]
            ids = [each["id"] for each in data] or [None]
            ends = {"first_id": ids[0], "last_id": ids[-1]}
            return {"object": "list", "data": data, **ends, "has_more": has_more}

        return reply.json(
            await _done(self.identity, read_for(self.identity.account_id, page))
        )


class EnvelopeView(RunsView):
    """One run: of those below the key; its own it may only look at."""

    http_method_names = ["get", "head", "patch", "delete"]

    async def get(self, request: Request, envelope_id: str) -> HttpResponseBase:
        known, asking = _known(envelope_id), _asks(self.identity)
        owner = self.identity.account_id
        looking = read_for(owner, lambda: _shown(runs.look(known, asking=asking)))
        return reply.json(await _done(self.identity, looking))

    async def patch(self, request: Request, envelope_id: str) -> HttpResponseBase:
        known = _known(envelope_id)
        micros = _micros((await _body(request, "credits")).get("credits"))
        asking = await _asking(self, request)
        once = replace(asking, request_id=asking.request_id or uuid4().hex)

        def add() -> dict[str, Any]:
            return _shown(runs.add_credits(known, micros, asking=once))

        owner = self.identity.account_id
        return reply.json(await self.counted(lambda: _written(owner, add, asking)))

    async def delete(self, request: Request, envelope_id: str) -> HttpResponseBase:
        known, asking = _known(envelope_id), _asks(self.identity)
        owner = self.identity.account_id
        closing = write_for(owner, lambda: _shown(runs.close(known, asking=asking)))
        return reply.json(await _done(self.identity, closing))


# --- what is answered ---


def describe(run: Run, hint: str) -> dict[str, Any]:
    """A run as it stands. Its key is told once, by who opens it."""
    parent = run.parent_envelope_id
    return {
        "object": "envelope",
        "id": f"env_{run.envelope_id.hex}",
        "status": run.status,
        "label": run.label,
        "models": list(rules.listed(run.model_pattern)),
        "hint": hint,
        "parent": f"env_{parent.hex}" if parent else None,
        **amount("credits", run.credits_micros),
        **amount("left", run.left_micros),
        **amount("held", run.held_micros),
        **amount("spent", run.spent_micros),
        "created_at": seconds(run.created_at),
        "expires_at": seconds(run.expires_at),
        "closed_at": seconds(run.closed_at),
    }


def _shown(run: Run) -> dict[str, Any]:
    return describe(run, runs.hint_of(run))


# --- what is asked ---


async def _asking(view: AsyncAPIView, request: Request) -> Asking:
    """Who asks, and under which Idempotency-Key. Raises: GatewayError (400)."""
    lean = request._request
    assert isinstance(lean, LeanRequest)
    mark, asks = fingerprints.read(lean.META), _asks(view.identity)
    if mark is None or not mark.key:
        return asks
    secret = await digest_key.get()
    found = fingerprints.of_request(mark, lean, view.identity, secret)
    return replace(asks, request_id=found.id, content=found.content)


def _asks(identity: Identity) -> Asking:
    return Asking(identity.key_id, identity.spender_id)


def _ids(asking: Asking) -> Ids:
    """Without an Idempotency-Key by chance. With one, whoever knows SECRET_KEY can tell
    the key again, and nothing of it is kept."""
    if not asking.request_id:
        return Ids(uuid4(), key_format.generate())
    words = f"envelope {asking.request_id}".encode()
    seed = hmac.digest(settings.SECRET_KEY.encode(), words, "sha256")
    return Ids(
        UUID(hashlib.blake2b(words, digest_size=16).hexdigest()),
        key_format.derive(seed),
    )


async def _body(request: Request, *fields: str) -> dict[str, Any]:
    """Raises: GatewayError (400, 413, 415)."""
    body = await read_json(request, bytes_max=settings.GATEWAY_BODY_BYTES_MAX)
    if unknown := sorted(set(body) - set(fields)):
        raise refusals.invalid(
            f"There is no {unknown[0][:80]!r} here, but {', '.join(fields)}.",
            param=unknown[0][:80],
        )
    return body


def _wanted(body: dict[str, Any]) -> Wanted:
    """Raises: GatewayError (400)."""
    lasts = body.get("expires_in_seconds")
    if type(lasts) is not int or not 1 <= lasts <= SECONDS_MAX:
        raise refusals.invalid(
            f"expires_in_seconds must be a whole number from 1 to {SECONDS_MAX}.",
            param="expires_in_seconds",
        )
    return Wanted(
        _micros(body.get("credits")),
        clock.now() + timedelta(seconds=lasts),
        label=_label(body.get("label")),
        model_pattern=_pattern(body.get("models")),
    )


def _micros(credits: Any) -> int:
    """Raises: GatewayError (400)."""
    # A bool is an int to Python.
    if type(credits) in (int, float):
        micros = Decimal(repr(credits)) * CREDIT
        if (
            micros.is_finite()
            and micros == int(micros)
            and 1 <= micros <= AMOUNT_MICROS_MAX
        ):
            return int(micros)
    raise refusals.invalid(
        f"credits must be a number from 0.000001 to {AMOUNT_MICROS_MAX // CREDIT}, of "
        "six decimals at most.",
        param="credits",
    )


def _label(label: Any) -> str:
    """Raises: GatewayError (400)."""
    if label is None:
        return ""
    try:
        if not isinstance(label, str):
            raise InvalidName("A label is a text.")
        return names.clean(label)
    except InvalidName as error:
        raise refusals.invalid(f"label: {error}", param="label") from None


def _pattern(models: Any) -> str:
    """Raises: GatewayError (400)."""
    if models is None:
        return ""
    try:
        if not isinstance(models, list) or not models:
            raise rules.InvalidRules("models must be a list of names or patterns.")
        for each in models:
            if not isinstance(each, str):
                raise rules.InvalidRules("models must be a list of texts.")
            rules.check_pattern(each)
        if len(",".join(models)) > PATTERN_MAX:
            raise rules.InvalidRules(f"models: {PATTERN_MAX} characters are enough.")
    except rules.InvalidRules as error:
        raise refusals.invalid(str(error), param="models") from None
    return ",".join(models)


def _known(public_id: str) -> UUID:
    """Raises: GatewayError (404), the same for an id that we did not issue."""
    found = uuid_in(public_id, "env")
    if found is None:
        raise limit_refusals.envelope_not_found()
    return found


# --- what is refused ---


async def _written(owner: int, change: Callable[[], T], asking: Asking) -> T:
    """What `change` returns, which is done once however often it is tried here.

    Raises: LedgerUnavailable where asking again does no harm; else GatewayError (503).
    """
    try:
        return await write_for(owner, change)
    except errors.NothingWritten:
        raise
    except errors.LedgerUnavailable:
        if asking.request_id:
            raise
        raise limit_refusals.envelope_unknown() from None


async def _done(identity: Identity, work: Awaitable[T]) -> T:
    """Raises: GatewayError, LedgerUnavailable; nothing was changed."""
    try:
        return await work
    except runs.OtherRequest:
        raise refusals.idempotency_mismatch() from None
    except runs.KeyLost:
        raise limit_refusals.envelope_key_lost() from None
    except ValueError as error:
        raise refusals.invalid(f"{error}.") from None
    except errors.Refusal as error:
        raise _refusal(error, identity) or error from None


def _refusal(error: errors.Refusal, identity: Identity) -> GatewayError | None:
    match error:
        case errors.UnknownHold():
            return limit_refusals.envelope_not_found()
        case errors.HoldExists():  # another API key's, under the same Idempotency-Key
            return refusals.idempotency_mismatch()
        case errors.EnvelopeClosed():
            return limit_refusals.envelope_ended()
        case errors.SpenderClosed():  # since the key was looked up
            return refusals.key_refused(RevokedKey())
    return refusals.of_account(error, identity) or limit_refusals.of_ledger(error)
