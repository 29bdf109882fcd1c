"""The models that can be called: the upstream's list, kept for a minute."""

from __future__ import annotations

import asyncio
import difflib
import time
from dataclasses import replace
from typing import Any

from proxy.http import foreign_json, refusals, upstream_refusals
from proxy.http.errors import GatewayError
from proxy.upstream import client
from proxy.upstream.client import UpstreamFault
from proxy.upstream.redaction import scrubbed

FRESH_SECONDS = 60
# How long a call waits for the list, where there never was one.
NAMES_SECONDS = 1
# How long the upstream has for it.
LIST_SECONDS = 10


class Catalogue:
    """The upstream's models. While it does not answer, the last list stays."""

    def __init__(self) -> None:
        self._models: list[dict[str, Any]] = []
        self._until = 0.0
        self._ids: frozenset[str] = frozenset()
        self._names: dict[str, str] = {}  # a bare name → the one id that ends so
        self._names_until = 0.0
        self._asking: asyncio.Task[None] | None = None

    async def models(self) -> list[dict[str, Any]]:
        """The list: who has an older one waits for nothing.

        Raises: GatewayError (503) while there never was one.
        """
        if self._until < time.monotonic():
            asking = self._ask()
            if not self._models:
                await asyncio.wait({asking})
        if not self._models:
            raise upstream_refusals.no_model_list()
        return self._models

    def _keep(self, models: list[dict[str, Any]]) -> None:
        self._models = models
        ids = [model["id"] for model in models if isinstance(model.get("id"), str)]
        self._ids = frozenset(ids)
        self._names = {}
        for each in sorted(self._ids, reverse=True):
            name = each.rpartition("/")[2]
            self._names[name] = "" if name in self._names else each

    async def model(self, model_id: str) -> dict[str, Any]:
        """Raises: GatewayError (404, 503)."""
        for model in await self.models():
            if model.get("id") == model_id:
                return model
        refused = refusals.model_not_found(model_id, param="model")
        raise self.suggest(refused, model_id)

    async def full_name(self, name: str) -> str:
        """The model that is meant by a name without a slash: some clients leave out
        what stands before it. It is the one listed id that ends so, else the name
        itself.

        Raises: GatewayError (404) where several end so.
        """
        if self._names_until < time.monotonic():
            asking = self._ask()
            if not self._ids:
                await asyncio.wait({asking}, timeout=NAMES_SECONDS)
        if name in self._ids:
            return name
        if self._names.get(name) == "":
            refused = refusals.model_not_found(name, param="model")
            raise self.suggest(refused, name)
        return self._names.get(name, name)

    def _ask(self) -> asyncio.Task[None]:
        """Ask for the list, once for all who want it."""
        if self._asking is None:
            self._asking = asyncio.create_task(self._refresh())
        return self._asking

    async def _refresh(self) -> None:
        try:
            async with asyncio.timeout(LIST_SECONDS):
                self._keep(await _fetch())
        except (UpstreamFault, TimeoutError):  # the last list stays, if there was one
            pass
        finally:
            self._asking = None
            self._names_until = time.monotonic() + FRESH_SECONDS
            if self._models:
                self._until = self._names_until

    def suggest(self, refused: GatewayError, name: str) -> GatewayError:
        """A refusal of a model, with the listed ones that may have been meant."""
        bare = name.rpartition("/")[2]
        meant = sorted(each for each in self._ids if each.rpartition("/")[2] == bare)
        meant = meant or difflib.get_close_matches(name[:200], self._ids, n=2)
        if not meant or name in self._ids:
            return refused
        said = f"{refused.message} Did you mean {' or '.join(meant[:5])}?"
        return replace(refused, message=said)


async def _fetch() -> list[dict[str, Any]]:
    """Raises: UpstreamFault."""
    reply = await client.shared().get("/models")
    content = scrubbed(await reply.read())
    try:
        said = foreign_json.parse(content)
        models = said["data"] if reply.status == 200 else None
    except (ValueError, KeyError, TypeError):
        models = None
    if not isinstance(models, list):
        raise UpstreamFault("upstream_no_models")
    return [model for model in models if isinstance(model, dict)]


catalogue = Catalogue()
