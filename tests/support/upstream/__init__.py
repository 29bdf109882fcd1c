"""A scriptable upstream on the loopback, with a journal of what it charged.

upstream.on(model="m-1", reply=chat_json(credits=7))
upstream.on(model="m-2", reply=chat_stream(credits=5).cut_after_events(2))
upstream.on(marker="slow", reply=chat_json(credits=1).delayed(2))
...                                     # calls through the gateway
entry, *_ = upstream.journal.wait_finished(1)
assert entry.headers["authorization"] == "Bearer upstream-secret-key"
assert upstream.total_credits() == charged_by_the_ledger
"""

from __future__ import annotations

from tests.support.upstream.builders import (
    DONE,
    Raw,
    chat_chunk,
    chat_json,
    chat_stream,
    embeddings_json,
    error_json,
    file_reply,
    gzipped,
    html,
    images_json,
    job_accepted,
    job_status,
    json_reply,
    redirect,
    sse,
    stream_reply,
    usage_of,
)
from tests.support.upstream.journal import Journal, JournalEntry
from tests.support.upstream.replies import Ending, Gate, Pause, ScriptedReply
from tests.support.upstream.server import Upstream

__all__ = [
    "DONE",
    "Ending",
    "JournalEntry",
    "Gate",
    "Journal",
    "Pause",
    "Raw",
    "ScriptedReply",
    "Upstream",
    "chat_chunk",
    "chat_json",
    "chat_stream",
    "embeddings_json",
    "error_json",
    "file_reply",
    "gzipped",
    "html",
    "job_accepted",
    "job_status",
    "images_json",
    "job_accepted",
    "job_status",
    "json_reply",
    "redirect",
    "sse",
    "stream_reply",
    "usage_of",
]
