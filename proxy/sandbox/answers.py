"""What the sandbox says: to the same prompt the same.

An answer has between 20 and 120 tokens, or up to 143 where its topic is punctuation.
A digest of the conversation picks the words: chance would make a test's expected
charge unknowable.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import count, islice
from typing import Any

import orjson

TOPIC_CHARACTERS_MAX = 40
OPENINGS = (
    "Good question. Here is a short answer about “{topic}”, from the sandbox.",
    "Thank you for asking about “{topic}”. The sandbox thinks of it this way.",
    "Let us look at “{topic}” together. In the sandbox the short view is this.",
    "Happy to help with “{topic}”. This is what the sandbox can say about it.",
)
SENTENCES = (
    "Start with the smallest part that works, and measure it.",
    "Most of the effort goes into the cases nobody wrote down.",
    "It helps to name the goal first and the tools second.",
    "A plain example often explains more than a long rule.",
    "Keep what you can check, and drop what you cannot.",
    "Two simple steps are better than one clever step.",
    "Ask who will read the result, and write for them.",
    "When in doubt, try it once by hand and take notes.",
    "The numbers should add up at the end of every day.",
    "If the first try fails, change one thing at a time.",
    "A good answer today beats a perfect one next month.",
)


def write(model: str, messages: list[dict[str, Any]], *, index: int) -> str:
    """The text of choice `index` of a conversation with a model."""
    digest = hashlib.blake2b(orjson.dumps([model, messages, index])).digest()
    opening = OPENINGS[digest[0] % len(OPENINGS)].format(topic=topic(messages))
    return " ".join([opening, *islice(sentences(digest), digest[2] % 6)])


def sentences(digest: bytes) -> Iterator[str]:
    """Sentences without end, in an order that the digest decides."""
    # Their number is a prime: any stride visits all of them before it repeats one.
    stride = 1 + digest[3] % (len(SENTENCES) - 1)
    return (SENTENCES[at % len(SENTENCES)] for at in count(digest[1], stride))


def last_words(messages: list[dict[str, Any]]) -> str:
    """What the user said last."""
    said = [message["content"] for message in messages if message["role"] == "user"]
    return said[-1] if said else ""


def topic(messages: list[dict[str, Any]]) -> str:
    """The beginning of the last words, whole if it can be."""
    text = " ".join(last_words(messages)[:1000].split())
    if len(text) > TOPIC_CHARACTERS_MAX:
        text = text[: TOPIC_CHARACTERS_MAX + 1]
        text = text.rsplit(" ", 1)[0][:TOPIC_CHARACTERS_MAX] + "…"
    return text or "nothing in particular"
