"""The gateway's views: read, hold, forward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import orjson
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.request import Request

from portal.keys import Identity
from proxy import chat, embeddings, exchange
from proxy.api_view import AsyncAPIView, read_json
from proxy.calls import Call
from proxy.catalogue import catalogue
from proxy.errors import new_request_id, respond, translate
from proxy.forwarding import forward
from proxy.memory import known_keys


class SpendingView(AsyncAPIView):
    """The one way to spend: every route that costs goes through `post`."""

    read: ClassVar[Callable[[dict[str, Any]], Call]]

    async def lookup(self, presented: str) -> Identity:
        # A remembered key will do: the hold asks again whether it may spend.
        return await known_keys.identify(presented)

    async def post(self, request: Request) -> HttpResponseBase:
        call = type(self).read(await read_json(request))
        begun = await exchange.begin(call, self.identity, self.presented)
        try:
            return await forward(begun)
        except Exception as error:  # noqa: BLE001  translated, or raised again
            refused = translate(error)
            if refused is None:
                raise
            response = respond(refused, begun.request_id)
            for name, value in begun.headers().items():
                response[name] = value
            return response


class ChatCompletionsView(SpendingView):
    read = chat.read


class EmbeddingsView(SpendingView):
    read = embeddings.read


class ModelsView(AsyncAPIView):
    """Free: the models there are."""

    async def get(self, request: Request) -> HttpResponseBase:
        return _json({"object": "list", "data": await catalogue.models()})


class ModelView(AsyncAPIView):
    """Free: one model; ids hold slashes, encoded or not."""

    async def get(self, request: Request, model: str) -> HttpResponseBase:
        return _json(await catalogue.model(model))


def _json(document: dict[str, Any]) -> HttpResponse:
    response = HttpResponse(orjson.dumps(document), content_type="application/json")
    response["x-request-id"] = new_request_id()
    response["cache-control"] = "no-store"
    return response
