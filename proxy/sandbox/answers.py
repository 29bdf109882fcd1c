"""The only place that makes up what the sandbox says: the same prompt, the same words.

An answer has between 20 and 120 tokens, or up to 143 where its topic is punctuation.
Randomness would make a test's expected charge unknowable; a digest of the conversation
picks the words instead.
"""

from __future__ import annotations

import hashlib
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
    sentences = [OPENINGS[digest[0] % len(OPENINGS)].format(topic=topic(messages))]
    first, count = digest[1], digest[2] % 6
    # A stride of 1..10 never repeats a sentence: their number is a prime.
    stride = 1 + digest[3] % (len(SENTENCES) - 1)
    sentences += [
        SENTENCES[(first + step * stride) % len(SENTENCES)] for step in range(count)
    ]
    return " ".join(sentences)


def topic(messages: list[dict[str, Any]]) -> str:
    """The beginning of the last thing the user said, on whole words if it can be."""
    said = [message["content"] for message in messages if message["role"] == "user"]
    text = " ".join(said[-1][:1000].split()) if said else ""
    if len(text) > TOPIC_CHARACTERS_MAX:
        text = text[: TOPIC_CHARACTERS_MAX + 1]
        text = text.rsplit(" ", 1)[0][:TOPIC_CHARACTERS_MAX] + "…"
    return text or "nothing in particular"
