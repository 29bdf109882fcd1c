"""`GET /v1/models` and `/v1/models/{id}`: free."""

from __future__ import annotations

from django.http.response import HttpResponseBase
from rest_framework.request import Request

from proxy.http import reply
from proxy.upstream.catalogue import catalogue
from proxy.views.base import AsyncAPIView


class ModelsView(AsyncAPIView):
    """The models there are."""

    async def get(self, request: Request) -> HttpResponseBase:
        return reply.json({"object": "list", "data": await catalogue.models()})


class ModelView(AsyncAPIView):
    """One model; ids hold slashes, encoded or not."""

    async def get(self, request: Request, model: str) -> HttpResponseBase:
        return reply.json(await catalogue.model(model))
