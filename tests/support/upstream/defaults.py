"""What the upstream answers when a test scripted nothing: the documented contract.

`credits=7` anywhere in the prompt makes the call cost 7; otherwise it costs
`DEFAULT_CREDITS`. Media routes and asynchronous jobs answer in the documented
shapes; a job is finished at its first look.
"""

from __future__ import annotations

import math
import re
from typing import Any

from tests.support.upstream import builders
from tests.support.upstream.journal import JournalEntry
from tests.support.upstream.replies import ScriptedReply

DEFAULT_CREDITS = 3
MODELS = {
    "openai/gpt-4o-mini": "chat",
    "openai/gpt-4o": "chat",
    "text-embedding-3-small": "embedding",
    "fal-ai/flux/dev": "image",
    "fal-ai/f5-tts": "audio",
}
CREDITS_MARKER = re.compile(rb"credits=(\d+)")
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c6360000002000154a24f5d0000000049454e44ae426082"
)


MEDIA: dict[str, dict[str, Any]] = {
    "/images/generations": {"data": [{"url": "picture.png"}]},
    "/images/edits": {"data": [{"url": "picture.png"}]},
    "/videos/generations": {"data": {"url": "video.mp4", "duration_seconds": 5}},
    "/audio/speech": {"audio_url": "speech.mp3", "duration_seconds": 1.5},
    "/audio/transcriptions": {
        "text": "Hello world",
        "segments": [{"start": 0.0, "end": 1.5, "text": "Hello world"}],
        "words": [{"word": "Hello", "start": 0.0, "end": 0.7}],
        "language": "en",
        "duration": 1.5,
    },
    "/music/generations": {"data": {"audio_url": "song.mp3", "duration_seconds": 30}},
}


def reply_to(
    entry: JournalEntry, *, base_url: str, credits: int | None = None
) -> ScriptedReply:
    """The deterministic answer of a healthy upstream."""
    route = entry.path.removeprefix("/api/v1")
    body = entry.body if isinstance(entry.body, dict) else {}
    if entry.method == "GET":
        return _get(entry, route)
    marker = CREDITS_MARKER.search(entry.raw_body)
    if marker:
        credits = int(marker[1])
    elif credits is None:
        credits = DEFAULT_CREDITS
    if route == "/chat/completions":
        return _chat(body, credits)
    if route == "/embeddings":
        return builders.embeddings_json(
            body.get("input", ""), model=str(body.get("model", "test-embedding"))
        )
    if route in MEDIA:
        if "true" in entry.query.get("async", []):
            return _job_accepted(entry, credits)
        files = base_url.removesuffix("/api/v1") + "/files"
        media = {"created": 1_767_225_600, "model": body.get("model"), **MEDIA[route]}
        media["usage"] = {
            "credits_used": credits,
            "credits_breakdown": {"base": credits},
        }
        return builders.json_reply(_at(media, files, body), credits=credits)
    return builders.error_json(404, "No such route.", code="not_found")


def _at(media: dict[str, Any], files: str, body: dict[str, Any]) -> dict[str, Any]:
    """The media reply with absolute addresses and as many pictures as asked for."""
    if isinstance(media.get("data"), list):
        picture = {"url": f"{files}/picture.png", "width": 1024, "height": 1024}
        media["data"] = [picture] * int(body.get("n", 1))
    elif isinstance(media.get("data"), dict):
        media["data"] = {
            name: f"{files}/{value}" if name.endswith("url") else value
            for name, value in media["data"].items()
        }
    elif "audio_url" in media:
        media["audio_url"] = f"{files}/{media['audio_url']}"
    return media


def _chat(body: dict[str, Any], credits: int) -> ScriptedReply:
    messages = body.get("messages") or [{}]
    prompt = str(messages[-1].get("content", ""))
    text = f"You said: {prompt[:200]}"
    common: dict[str, Any] = {
        "credits": credits,
        "model": str(body.get("model", "openai/gpt-4o-mini")),
        "prompt_tokens": max(1, math.ceil(len(prompt) / 4)),
        "completion_tokens": max(1, math.ceil(len(text) / 4)),
    }
    if body.get("stream") is not True:
        return builders.chat_json(text=text, **common)
    options = body.get("stream_options")
    wants_usage = isinstance(options, dict) and options.get("include_usage") is True
    words = re.findall(r"\S+\s*", text)
    position: Any = "own_chunk" if wants_usage else None
    return builders.chat_stream(pieces=words, usage_position=position, **common)


def _job_accepted(entry: JournalEntry, credits: int) -> ScriptedReply:
    # The job's id carries its price, so that a look at it needs no memory.
    job = {
        "id": f"job-{entry.id}-{credits}",
        "status": "pending",
        "created": 1_767_225_600,
        "model": entry.model,
        "estimated_credits": credits,
    }
    return builders.json_reply(job, credits=credits)


def _get(entry: JournalEntry, route: str) -> ScriptedReply:
    if route == "/models":
        data = [
            {
                "id": name,
                "object": "model",
                "created": 1_767_225_600,
                "owned_by": name.split("/")[0],
                "category": category,
                "capabilities": [category],
            }
            for name, category in MODELS.items()
        ]
        return builders.json_reply({"object": "list", "data": data})
    if route.startswith("/jobs/job-"):
        job_id = route.removeprefix("/jobs/")
        job = {
            "id": job_id,
            "status": "completed",
            "progress": 100,
            "created": 1_767_225_600,
            "completed": 1_767_225_660,
            "model": None,
            "outputData": {"url": "video.mp4"},
            "errorMessage": None,
            "usage": {"credits_used": int(job_id.rsplit("-", 1)[1])},
        }
        return builders.json_reply(job)
    if route.startswith("/files/"):
        return builders.json_reply(PNG, content_type="image/png")
    return builders.error_json(404, "No such thing.", code="not_found")
