"""Items of earlier responses that a request only refers to, as some SDKs do by default.

Answers are kept as those for repeats are: sealed, for REPLAY_SECONDS, unless the client
says `store: false` or its organization has nothing kept.
"""

from __future__ import annotations

import asyncio
import re
import time
from functools import partial
from typing import Any

import orjson

from proxy.http import refusals
from proxy.http.sse import Splitter
from proxy.idempotency import stored_replies
from proxy.idempotency.attempts import Reply
from proxy.process.database import read

ITEM_ID = re.compile(r"[a-z]{2,4}_([0-9a-f]{32})_[0-9]{1,6}", re.ASCII)
RESPONSES_MAX = 64  # that one request may refer to
# An answer is written a moment after it was given.
WRITTEN_SECONDS, LOOK_SECONDS = 1.5, 0.05

Document = dict[str, Any]


async def recall(document: Document, account_id: int) -> Document:
    """The body with each item it refers to in its place, where it is still kept.

    Raises: GatewayError (400), LedgerUnavailable.
    """
    asked = document.get("input")
    items = asked if isinstance(asked, list) else []
    hold_ids = dict.fromkeys(filter(None, map(_hold_id, items)))
    if not hold_ids:
        return document
    if len(hold_ids) > RESPONSES_MAX:
        raise refusals.invalid(
            f"input may refer to items of {RESPONSES_MAX} responses at most.",
            param="input",
        )
    known: dict[str, Document] = {}
    until = time.monotonic() + WRITTEN_SECONDS
    for hold_id in hold_ids:
        reply = await _find(hold_id, account_id, until)
        known |= {item["id"]: item for item in (output_of(reply) if reply else [])}
    found = [known.get(item["id"], item) if _hold_id(item) else item for item in items]
    return {**document, "input": found}


def _hold_id(item: Any) -> str:
    """Of the response that the item belongs to; "" where it refers to none."""
    match item:
        case {"type": "item_reference", "id": str(name)}:
            found = ITEM_ID.fullmatch(name)
            return found[1] if found else ""
    return ""


async def _find(hold_id: str, account_id: int, until: float) -> Reply | None:
    while True:
        find = partial(stored_replies.find_own, hold_id, account_id)
        reply = await read(find)
        if reply or time.monotonic() > until:
            return reply
        await asyncio.sleep(LOOK_SECONDS)


def output_of(reply: Reply) -> list[Document]:
    """The items of a kept response, told at once or in events."""
    document: Any = None
    if "json" in reply.headers.get("content-type", ""):
        document = orjson.loads(reply.content)
    else:
        for event in Splitter().feed(reply.content):
            document = (event.document() or {}).get("response", document)
    output = document.get("output") if isinstance(document, dict) else None
    return output if isinstance(output, list) else []
