"""What the sandbox knows: objects, kept replies, the journal, webhooks to send.

All of it changes under one lock. With a path it is on disk before a reply goes out,
and a sandbox that was killed goes on where it was.
"""

from __future__ import annotations

import copy
import json
import os
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from proxy.payments_sandbox.deliveries import Deliveries
from proxy.payments_sandbox.errors import invalid, missing
from proxy.payments_sandbox.forms import choice, integer, mapping, text
from proxy.payments_sandbox.journal import Journal

Object: TypeAlias = dict[str, Any]

API_VERSION = "2026-10-28.endive"
PAGE_MAX = 100
PAGE_USUAL = 10


class State:
    """`time_of` gives seconds since 1970; `advance` moves the sandbox's own clock.

    Raises: OSError, ValueError when the file cannot be read.
    """

    def __init__(
        self, path: Path | None = None, time_of: Callable[[], float] = time.time
    ) -> None:
        self.lock = threading.RLock()
        self.path = path
        self.base_url = ""
        self.objects: dict[str, Object] = {}
        self.replies: dict[str, Object] = {}
        self.journal = Journal()
        # Of the request that is being answered: its events name them.
        self.request_id: str | None = None
        self.request_key: str | None = None
        self._time_of = time_of
        self._ahead = 0.0
        self.deliveries = Deliveries(self.clock)
        if path is not None and path.exists():
            self._load(json.loads(path.read_bytes()))

    def clock(self) -> float:
        return self._time_of() + self._ahead

    def now(self) -> int:
        return int(self.clock())

    def advance(self, seconds: float) -> None:
        with self.lock:
            self._ahead += seconds

    def add(self, kind: str, prefix: str, fields: Object) -> Object:
        """A new object, with what all objects have."""
        made = {
            "id": f"{prefix}_{secrets.token_hex(12)}",
            "object": kind,
            "created": self.now(),
            "livemode": False,
            **fields,
        }
        self.objects[made["id"]] = made
        return made

    def find(self, kind: str, object_id: Any, param: str = "id") -> Object:
        """Raises: Refusal (404)."""
        found = self.objects.get(object_id) if isinstance(object_id, str) else None
        if found is None or found["object"] != kind:
            raise missing(kind, str(object_id)[:100], param)
        return found

    def all_of(self, kind: str, **equal: Any) -> list[Object]:
        """The oldest first; only those whose fields are equal."""
        return [
            each
            for each in list(self.objects.values())
            if each["object"] == kind
            and all(each.get(name) == value for name, value in equal.items())
        ]

    def page(
        self,
        kind: str,
        url: str,
        params: Object,
        among: tuple[str, tuple[Any, ...]] = ("", ()),
        **equal: Any,
    ) -> Object:
        """A list object, the newest first, by `limit`, the cursors and `created`.
        `among`: a field, and the values that it may have, unless there are none."""
        wanted = {name: value for name, value in equal.items() if value is not None}
        found = self.all_of(kind, **wanted)[::-1]
        name, values = among
        found = [each for each in found if not values or each.get(name) in values]
        found = [each for each in found if _is_created(each, params)]
        ids = [each["id"] for each in found]
        if after := text(params, "starting_after"):
            found = found[_index(ids, after, kind) + 1 :]
        limit = integer(params, "limit") or PAGE_USUAL
        if not 1 <= limit <= PAGE_MAX:
            raise invalid("limit", f"Invalid limit: must be from 1 to {PAGE_MAX}.")
        rest = found[:limit]
        if before := text(params, "ending_before"):
            earlier = found[: _index(ids, before, kind)]
            found, rest = earlier, earlier[-limit:]
        has_more = len(found) > limit
        return {"object": "list", "url": url, "has_more": has_more, "data": rest}

    def save(self) -> None:
        """On disk, atomically, when there is a path."""
        if self.path is None:
            return
        kept = {
            "objects": self.objects,
            "replies": self.replies,
            "journal": self.journal.entries,
            "endpoints": self.deliveries.endpoints,
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.path.with_suffix(".new")
        with beside.open("w") as file:
            os.fchmod(file.fileno(), 0o600)
            json.dump(kept, file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.path)

    def _load(self, kept: Object) -> None:
        self.objects = kept["objects"]
        self.replies = kept["replies"]
        self.journal.entries = kept["journal"]
        self.deliveries.endpoints = kept["endpoints"]


def _is_created(each: Object, params: Object) -> bool:
    wanted = params.get("created")
    if wanted is None or isinstance(wanted, str):
        at = integer(params, "created")
        return at is None or bool(each["created"] == at)
    bounds = mapping(params, "created")
    choice({"created": next(iter(bounds), "")}, "created", {"gt", "gte", "lt", "lte"})
    at = each["created"]
    low = integer(bounds, "gte"), integer(bounds, "gt")
    high = integer(bounds, "lte"), integer(bounds, "lt")
    return (
        (low[0] is None or at >= low[0])
        and (low[1] is None or at > low[1])
        and (high[0] is None or at <= high[0])
        and (high[1] is None or at < high[1])
    )


def _index(ids: list[str], wanted: str, kind: str) -> int:
    if wanted not in ids:
        raise missing(kind, wanted, "starting_after")
    return ids.index(wanted)


def shown(each: Object, expand: list[Any], objects: dict[str, Object]) -> Object:
    """A copy without what is the sandbox's own; `expand` as at Stripe."""
    made: Object = _public(copy.deepcopy(each))
    for path in expand:
        names = str(path).split(".")
        if made.get("object") == "list" and names[0] == "data":
            for own, of in zip(made["data"], each["data"], strict=True):
                _expand(own, of, names[1:], objects)
        else:
            _expand(made, each, names, objects)
    return made


def _public(node: Any) -> Any:
    if isinstance(node, dict):
        kept = {k: v for k, v in node.items() if not k.startswith("_")}
        return {key: _public(value) for key, value in kept.items()}
    return [_public(each) for each in node] if isinstance(node, list) else node


def _expand(
    made: Object, each: Object, names: list[str], objects: dict[str, Object]
) -> None:
    if not names:
        return
    name, *rest = names
    if f"_{name}" in each:  # only shown when asked for
        made[name] = _public(copy.deepcopy(each[f"_{name}"]))
    elif isinstance(made.get(name), str):
        found = objects.get(made[name])
        if found is None:
            raise invalid("expand", f"This property cannot be expanded ({name}).")
        made[name] = shown(found, [".".join(rest)] if rest else [], objects)
    elif name not in made:
        raise invalid("expand", f"This property cannot be expanded ({name}).")
