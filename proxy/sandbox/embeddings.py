"""Embeddings: unit vectors drawn from a digest of the text."""

from __future__ import annotations

import hashlib
import math
import struct
import uuid
from typing import Any

from proxy.sandbox import catalogue, contract, errors, failures, prices, tokens
from proxy.sandbox.failures import Marks
from proxy.sandbox.journal import Entry, Journal

OPERATION = "embeddings"
MODEL_DEFAULT = "text-embedding-3-small"
DIMENSIONS = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072}
DIMENSIONS_LARGEST = 3072
INPUTS_LARGEST = 2048


def vector(model: str, text: str, dimensions: int) -> list[float]:
    """A vector of length 1; the same text always has the same direction.

    SHAKE gives any number of bytes in one call: two of them a dimension, about
    0.2 ms for the largest vector.
    """
    digest = hashlib.shake_256(f"{model}\0{text}".encode()).digest(2 * dimensions)
    values = struct.unpack(f"<{dimensions}h", digest)
    # One dimension can draw a zero, which has no direction.
    length = math.sqrt(sum(value * value for value in values))
    return [value / length for value in values] if length else [1.0] * dimensions


async def create(body: bytes, journal: Journal) -> tuple[str, Marks, dict[str, Any]]:
    """The call's id, its marks and its reply, which has no place for the id.

    Raises: InvalidRequest, ModelNotFound, and what a mark wants to be raised.
    """
    fields = contract.parse(body, "EmbeddingRequest")
    model = catalogue.find(fields.get("model", MODEL_DEFAULT), category="embedding")
    dimensions = contract.whole_number(
        fields, "dimensions", default=DIMENSIONS[model.id], largest=DIMENSIONS_LARGEST
    )
    texts = [fields["input"]] if isinstance(fields["input"], str) else fields["input"]
    if not 1 <= len(texts) <= INPUTS_LARGEST:
        raise errors.InvalidRequest("input", f"must have 1 to {INPUTS_LARGEST} texts")
    marks = failures.read(" ".join(texts))
    await failures.hold_up(marks)
    prompt_tokens = sum(tokens.count(text) for text in texts)
    entry = Entry(
        id=f"embd-{uuid.uuid4().hex}",
        operation=OPERATION,
        model=model.id,
        prompt_tokens=prompt_tokens,
        completion_tokens=0,
        credits=prices.embedding(prompt_tokens),
    )
    reply = {
        "object": "list",
        "data": [
            {
                "object": "embedding",
                "index": index,
                "embedding": vector(model.id, text, dimensions),
            }
            for index, text in enumerate(texts)
        ],
        "model": model.id,
        # No credits: the contract has none here, so a caller must know the price.
        "usage": {"prompt_tokens": prompt_tokens, "total_tokens": prompt_tokens},
    }
    await journal.append(entry)
    return entry.id, marks, reply
