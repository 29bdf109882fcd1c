"""A call that costs: what a request body comes to once it is understood."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from billing.pricing import Units


def same_reply(document: dict[str, Any]) -> dict[str, Any]:
    """Most operations answer as the upstream does."""
    return document


@dataclass(frozen=True, slots=True)
class Call:
    """One understood request.

    `most` is an upper bound, from the request itself; `least` is what it surely uses
    on the way in, for calls whose usage nobody reports. `render` turns the
    upstream's document into what this client expects; `renders` says that it must.
    """

    operation: str
    path: str  # at the upstream
    model: str
    content: bytes  # the body as it will be forwarded
    most: Units
    least: Units
    completion_tokens_asked: int | None = None
    stream: bool = False
    wants_usage: bool = False
    renders: bool = False
    render: Callable[[dict[str, Any]], dict[str, Any]] = same_reply
