"""Failures on demand: a mark in the text of a call makes the sandbox misbehave.

The mark stands in the last user message, the input of embeddings or speech, the
prompt of media, or (a transcription has no prompt) in the audio's URL, `language`
or a `prompt` of its own. Several marks may stand together; one that is not in this
table is refused, so that a typing error does not pass for a success.

    mark                            what happens                          charged
    [sandbox:500]                   500 at once                           no
    [sandbox:503]                   503 at once                           no
    [sandbox:429]                   429 at once, Retry-After: 1           no
    [sandbox:refuse]                400 content_policy_violation          no
    [sandbox:slow=SECONDS]          waits first, up to 600 seconds        yes
    [sandbox:charge-then-500]       500; x-request-id is the journal's    yes
    [sandbox:no-usage]              answers without `usage`               yes
    [sandbox:tool]                  calls its first tool, if any          yes
    [sandbox:cut]                   drops the connection in the middle    yes
    [sandbox:estimate=N]            `estimated_credits` is N              as priced
    [sandbox:job-fails]             ends `failed` without `usage`         no
    [sandbox:job-fails-charged]     ends `failed` with `usage`            yes
    [sandbox:job-no-usage]          ends `completed` without `usage`      yes
    [sandbox:job-unknown]           has the status "paused" for ever      no
    [sandbox:job-vanishes]          404 after the first poll              no

A stream that is cut is charged for what it generated. For a job, `charge-then-500`
charges on submission and starts no job; `cut` starts the job, which is charged like
any other, and drops the connection in the middle of the answer; `no-usage` does
nothing, because a submission has no usage. Calls that are answered at once ignore
the marks of jobs.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase

from proxy.sandbox import errors

SLOW_SECONDS_MAX = 600
MARK = re.compile(r"\[sandbox:([a-z0-9-]{1,30})(?:=([0-9.]{1,12}))?\]")
REFUSALS = {
    "500": "internal_error",
    "503": "overloaded",
    "429": "rate_limit_exceeded",
    "refuse": "content_policy_violation",
}
CHARGED = {"charge-then-500", "no-usage", "cut", "tool"}
JOBS = {"job-fails", "job-fails-charged", "job-no-usage", "job-unknown", "job-vanishes"}
SWITCHES = {*REFUSALS, *CHARGED, *JOBS}


class ConnectionCut(Exception):
    """Ends a reply in its middle; the sandbox's handler then sends nothing more."""


@dataclass(frozen=True, slots=True)
class Marks:
    switches: frozenset[str] = frozenset()
    slow_seconds: float = 0
    estimate: int | None = None

    def __contains__(self, switch: str) -> bool:
        return switch in self.switches


def read(text: str) -> Marks:
    """Raises: Refusal (400) for a mark that does not exist."""
    switches, slow_seconds, estimate = set(), 0.0, None
    for mark, value in MARK.findall(text):
        if mark in SWITCHES and not value:
            switches.add(mark)
        elif mark == "slow" and re.fullmatch(r"\d{1,3}(\.\d{1,3})?", value):
            slow_seconds = min(float(value), SLOW_SECONDS_MAX)
        elif mark == "estimate" and value.isdigit():
            estimate = int(value)
        else:
            raise errors.invalid("prompt", "the sandbox has no such mark")
    return Marks(frozenset(switches), slow_seconds, estimate)


async def hold_up(marks: Marks) -> None:
    """Wait, or refuse, before anything is charged, as the marks want it.

    Raises: Refusal when the call ends here.
    """
    if marks.slow_seconds:
        await asyncio.sleep(marks.slow_seconds)
    for switch, code in REFUSALS.items():
        if switch in marks:
            raise errors.Refusal(code)


def charged_reply(
    marks: Marks, call_id: str, document: dict[str, Any]
) -> HttpResponseBase:
    """The reply to a call that was charged, damaged as its marks want it."""
    if "charge-then-500" in marks:
        refusal = errors.Refusal("internal_error").response()
        refusal[errors.REQUEST_ID_HEADER] = call_id
        return refusal
    if "no-usage" in marks:
        document = {name: document[name] for name in document if name != "usage"}
    reply = errors.reply(document, request_id=call_id)
    if "cut" not in marks:
        return reply
    headers = {**reply.headers, "Content-Length": str(len(reply.content))}
    return StreamingHttpResponse(_half(reply.content), headers=headers)


async def _half(content: bytes) -> AsyncGenerator[bytes, None]:
    yield content[: len(content) // 2]
    raise ConnectionCut
