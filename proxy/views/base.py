"""DRF's APIView for coroutines: with its policies, without its threads.

Only `dispatch` is written again, because DRF's cannot await; the hooks are DRF's own.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.views import APIView

from portal.tenants.key_format import masked
from portal.tenants.keys import Identity
from proxy.calls.call import Call, Incoming, Operation
from proxy.http import links, refusals, reply, shares, upload_turns
from proxy.http.errors import GatewayError
from proxy.http.handler import LeanRequest
from proxy.idempotency import fingerprints
from proxy.limits import rates
from proxy.process.refused import refusals_seen
from proxy.upstream import contract
from proxy.upstream.catalogue import catalogue
from proxy.views.authentication import BearerAuthentication, HasKey

# A body that is longer is counted and read in a thread, and parsed there where it has
# more keys and elements.
LONG_BYTES = 64 * 1024
FEW_THINGS = 10_000
# A client that left or was late, and a repeat of what runs or has ended.
OF_REPEATS = {408, 409}


class Asked(NamedTuple):
    """What a call was for; "" where that is not known."""

    operation: str = ""
    model: str = ""


class AsyncAPIView(APIView):
    """A gateway view, whose handlers are coroutines."""

    authentication_classes = [BearerAuthentication]
    permission_classes = [HasKey]
    # Not OPTIONS: DRF's answer to it describes the view, and cannot be awaited.
    http_method_names = ["get", "head", "post"]
    is_call = False  # whether what it refuses is a call that was refused

    @property
    def identity(self) -> Identity:
        """Whose key it is: the request's user, in DRF's words."""
        return cast(Identity, self.request.user)

    @property
    def presented(self) -> str:
        """The key itself."""
        return cast(str, self.request.auth)

    async def dispatch(  # type: ignore[override]
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        self.args, self.kwargs = args, kwargs
        self.request = self.initialize_request(request, *args, **kwargs)
        try:
            await self.perform_authentication(self.request)
            self.check_permissions(self.request)
            self.check_throttles(self.request)
            method = (request.method or "").lower()
            handler = self.http_method_not_allowed
            if method in self.http_method_names:
                handler = getattr(self, method, handler)
            response: HttpResponseBase = await handler(self.request, *args, **kwargs)
        except Exception as error:  # noqa: BLE001  DRF's way: one handler for all
            response = self.handle_exception(error)
        for name, value in (await self.rate_headers()).items():
            response[name] = value
        return response

    async def rate_headers(self) -> dict[str, str]:
        """How the limits a minute stand that are set for the key, or above it."""
        # Not `request.user`: where there is none, DRF would look for one.
        identity: Identity | None = getattr(self.request, "_user", None)
        return (await rates.look(identity.rules)).headers() if identity else {}

    async def perform_authentication(  # type: ignore[override]
        self, request: Request
    ) -> None:
        """As DRF's, of classes whose `authenticate` is a coroutine."""
        for authenticator in request.authenticators or ():
            found = await authenticator.authenticate(request)  # type: ignore[misc]
            if found is not None:
                request._authenticator = authenticator  # type: ignore[attr-defined]
                request.user, request.auth = found
                return
        request._not_authenticated()  # type: ignore[attr-defined]

    def http_method_not_allowed(
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> Any:
        raise refusals.wrong_method(
            request.method or "", request.path_info, self.allowed_methods
        )

    def handle_exception(self, exc: Exception) -> HttpResponseBase:  # type: ignore[override]
        error = refusals.translate(exc)
        if error is None:
            raise exc
        # Not `request.user`: where there is none, DRF would look for one.
        identity: Identity | None = getattr(self.request, "_user", None)
        if identity:
            links.add(error, identity)
        response = reply.error(error)
        spender_id = identity.spender_id if identity else error.spender_id
        # SDKs ask again by themselves where an earlier attempt has the answer.
        is_call = self.is_call and error.status not in OF_REPEATS
        if is_call and spender_id is not None:
            self._note(error, spender_id, response["x-request-id"])
        return response

    def asked(self) -> Asked:
        return Asked()

    def _note(self, error: GatewayError, spender_id: int, request_id: str) -> None:
        """For whoever asks on a page why calls are refused."""
        refusals_seen.note(
            spender_id,
            request_id,
            code=error.code,
            status=error.status,
            message=masked(error.message),
            operation=self.asked().operation,
            model=self.asked().model,
        )


def uncompressed(request: Request) -> LeanRequest:
    """The request, if its body is not compressed. Raises: GatewayError (415)."""
    lean = request._request
    assert isinstance(lean, LeanRequest)
    if lean.META.get("HTTP_CONTENT_ENCODING", "identity").lower() != "identity":
        raise refusals.compressed_body()
    return lean


def as_incoming(request: Request, document: dict[str, Any]) -> Incoming:
    """The request as operations read it; `document` is its body, JSON or a form."""
    lean = request._request
    has_query = bool(lean.META.get("QUERY_STRING"))
    return Incoming(
        document=document,
        query=lean.GET.dict() if has_query else {},
        accept=lean.META.get("HTTP_ACCEPT", ""),
    )


async def with_full_name(document: dict[str, Any]) -> dict[str, Any]:
    """The body, naming its model as the upstream lists it.

    Raises: GatewayError (404) where several are listed under so short a name.
    """
    name = document.get("model")
    if not isinstance(name, str) or "/" in name:
        return document
    return {**document, "model": await catalogue.full_name(name)}


async def read_json(request: Request, *, bytes_max: int) -> dict[str, Any]:
    """The body as a JSON object, in its turn.

    Raises: GatewayError (400, 413, 415, 429, 503), BodyTooLarge, ClientGone,
    TimeoutError.
    """
    owner = cast(Identity, request.user).account_id
    async with upload_turns.turn(uncompressed(request), owner, bytes_max=bytes_max):
        return await read_json_now(request, bytes_max=bytes_max)


async def read_json_now(request: Request, *, bytes_max: int) -> dict[str, Any]:
    """The same, by who has a turn already."""
    lean = uncompressed(request)
    content_type = lean.content_type or "application/json"
    if content_type != "application/json" and not content_type.endswith("+json"):
        raise refusals.not_json(content_type)
    content = await lean.read_body(
        bytes_max=bytes_max, seconds_max=settings.GATEWAY_BODY_SECONDS_MAX
    )
    if fingerprints.takes_part(lean.META):
        lean.body_digest = fingerprints.body_digest(content)
    if len(content) <= LONG_BYTES:
        return contract.read(content)
    owner = cast(Identity, request.user).account_id
    things = await shares.read_apart(owner, lambda: contract.check_work(content))
    if things <= FEW_THINGS:
        return contract.read(content)  # one picture is parsed in milliseconds
    return await shares.read_apart(owner, lambda: contract.read(content))


async def understand(
    operation: Operation, incoming: Incoming, identity: Identity, request: LeanRequest
) -> Call:
    """The call that a body asks for. Long ones are read apart: others' calls go on.

    Raises: GatewayError (400, 429, 503).
    """
    size = request.declared_bytes
    if size is not None and size <= LONG_BYTES:
        return operation.read(incoming)
    return await shares.read_apart(
        identity.account_id, lambda: operation.read(incoming)
    )
