"""What an upstream that has gone mad answers: right replies with something wrong."""

from __future__ import annotations

import copy
import json
import random
import threading
from typing import Any

from tests.support.gateway.bodies import junk
from tests.support.upstream import JournalEntry, ScriptedReply, builders, defaults

DIGITS = "9" * 5000
STATUSES = (
    *(200,) * 8,
    *(201, 204, 206, 299, 301, 302, 304, 400, 401, 402, 403, 404, 408, 409, 413, 418),
    *(422, 429, 429, 429, 451, 499, 500, 500, 502, 503, 504, 529, 599, 600, 999),
)
HEADERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "retry-after",
        ("²", DIGITS, "-1", "1.5", "Thu, 99 Xxx 0000", "0", "", "999999999"),
    ),
    ("retry-after-ms", ("²", DIGITS, "-1")),
    ("x-request-id", ("²", "x" * 4000, "", "a\tb")),
    ("content-encoding", ("gzip", "br", "²", "identity, gzip")),
    ("x-ratelimit-remaining-requests", ("²", DIGITS)),
    ("content-disposition", ("attachment; filename*=²",)),
    ("location", ("http://127.0.0.1:1/", "²", "file:///etc/passwd")),
    ("set-cookie", ("a=b; Path=/", "²")),
    ("date", ("²", "never")),
    ("x-junk", ("y" * 7000,)),
)
TYPES = (
    *("application/json; charset=²", "text/html", "text/event-stream", "", "²", None),
    *("application/octet-stream", "audio/mpeg", "application/problem+json"),
)
USAGES: tuple[Any, ...] = (
    *(None, 7, [], "x", {}, {"credits_used": "²"}, {"credits_used": -5}),
    *({"credits_used": 1e308}, {"credits_used": 0.1}, {"prompt_tokens": 10**30}),
    {"credits_used": 10**400, "completion_tokens": "many"},
    {"credits_used": True, "total_tokens": None, "credits_breakdown": [1]},
)


class Mad:
    """Chosen anew for each request; asked by several threads of the upstream's."""

    def __init__(self, base_url: str, chance: random.Random) -> None:
        self._base_url, self._chance = base_url, chance
        self._lock = threading.Lock()
        self.asked = 0

    def __call__(self, entry: JournalEntry) -> ScriptedReply:
        with self._lock:
            self.asked += 1
            return self._drawn(entry)

    def _drawn(self, entry: JournalEntry) -> ScriptedReply:
        chance = self._chance
        try:
            reply = defaults.reply_to(entry, base_url=self._base_url)
        except (TypeError, ValueError, AttributeError):  # of a strange request
            reply = builders.error_json(400, "What?")
        if chance.random() < 0.25:
            return reply
        if chance.random() < 0.5:
            reply = reply.but(steps=(self._spoilt(reply.body),))
        if chance.random() < 0.35:
            reply = reply.but(status=chance.choice(STATUSES))
        if chance.random() < 0.35:
            name, values = chance.choice(HEADERS)
            value = chance.choice(values).encode().decode("latin-1")
            reply = reply.but(headers={**reply.headers, name: value})
        if chance.random() < 0.15:
            said = chance.choice(TYPES)
            said = said and said.encode().decode("latin-1")
            reply = reply.but(content_type=said)
        if chance.random() < 0.15:
            reply = reply.but(framing=chance.choice(("chunked", "close")))
        if reply.body and chance.random() < 0.1:
            reply = reply.cut_after_bytes(chance.randrange(1, len(reply.body) + 1))
        return reply

    def _spoilt(self, body: bytes) -> bytes:
        chance = self._chance
        try:
            document = json.loads(body)
        except ValueError:
            return self._spoilt_text(body)
        if isinstance(document, dict) and chance.random() < 0.7:
            if chance.random() < 0.4:
                document["usage"] = copy.deepcopy(chance.choice(USAGES))
            for _ in range(chance.choice((0, 1, 2))):
                _spoil(document, chance)
            try:
                return json.dumps(document).encode()
            except ValueError:  # a number that Python does not write
                return b'{"usage":{"credits_used":' + DIGITS.encode() + b"}}"
        return self._spoilt_text(body)

    def _spoilt_text(self, body: bytes) -> bytes:
        chance = self._chance
        at = chance.randrange(len(body) + 1)
        return chance.choice(
            (
                b"",
                body[:at],
                body[:at] + b"\xff\0\xed\xa0\x80" + body[at:],
                body.replace(b'"', b'"\\ud800', 3),
                body.replace(b"\n\n", b"\r\n"),
                body.replace(b"data:", b"data", 2),
                body + b"data: {" + b"[" * 5000 + b"\n\n",
                b'{"error":' * 3000,
                b'{"error": {"message": ["x"], "code": {}}}',
                b'{"message": "' + b"m" * 9000 + b'"}',
                DIGITS.encode(),
                b"null",
                b"[]",
                b"<html>",
            )
        )


def _spoil(document: dict[str, Any], chance: random.Random) -> None:
    """One value somewhere in it is another."""
    tree: Any = document
    while True:
        names = list(tree) if isinstance(tree, dict) else range(len(tree))
        if not names:
            return
        name = chance.choice(names)
        inner = tree[name]
        if isinstance(inner, dict | list) and inner and chance.random() < 0.6:
            tree = inner
            continue
        tree[name] = junk(chance)
        return
