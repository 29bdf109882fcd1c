"""The models that can be called: the upstream's list, kept for a minute."""

from __future__ import annotations

import time
from typing import Any

import orjson

from proxy.http import refusals, upstream_refusals
from proxy.upstream import client
from proxy.upstream.client import UpstreamFault

FRESH_SECONDS = 60


class Catalogue:
    """The upstream's models. While it does not answer, the last list stays."""

    def __init__(self) -> None:
        self._models: list[dict[str, Any]] = []
        self._until = 0.0

    async def models(self) -> list[dict[str, Any]]:
        """Raises: GatewayError (503) while there never was a list."""
        if self._until < time.monotonic():
            try:
                self._models = await _fetch()
            except UpstreamFault:
                if not self._models:
                    raise upstream_refusals.no_model_list() from None
            self._until = time.monotonic() + FRESH_SECONDS
        return self._models

    async def model(self, model_id: str) -> dict[str, Any]:
        """Raises: GatewayError (404, 503)."""
        for model in await self.models():
            if model.get("id") == model_id:
                return model
        raise refusals.model_not_found(model_id, param="model")


async def _fetch() -> list[dict[str, Any]]:
    """Raises: UpstreamFault."""
    reply = await client.shared().get("/models")
    content = await reply.read()
    try:
        models = orjson.loads(content)["data"] if reply.status == 200 else None
    except (orjson.JSONDecodeError, KeyError, TypeError):
        models = None
    if not isinstance(models, list):
        raise UpstreamFault("upstream_no_models")
    return [model for model in models if isinstance(model, dict)]


catalogue = Catalogue()
