"""Embeddings: unit vectors drawn from a digest of the text."""

from __future__ import annotations

import hashlib
import math
import struct
from typing import Any

from proxy.sandbox import catalogue, contract, errors, failures, prices, tokens
from proxy.sandbox.work import Work

DIMENSIONS = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072}
DIMENSIONS_LARGEST = 3072
INPUTS_LARGEST = 2048


class Embeddings(Work):
    __slots__ = ()

    def body(self) -> dict[str, Any]:
        return {**self.output, "model": self.model.id}

    def usage(self) -> dict[str, Any]:
        """No credits: the contract has none here, so a caller must know the price."""
        return {"prompt_tokens": self.prompt_tokens, "total_tokens": self.prompt_tokens}


def plan(body: bytes, _origin: str) -> Work:
    """Raises: Refusal (400, 404)."""
    fields = contract.parse(body, "EmbeddingRequest")
    model = catalogue.find(fields["model"], "embedding")
    dimensions = contract.whole_number(
        fields, "dimensions", default=DIMENSIONS[model.id], largest=DIMENSIONS_LARGEST
    )
    texts = [fields["input"]] if isinstance(fields["input"], str) else fields["input"]
    if not 1 <= len(texts) <= INPUTS_LARGEST:
        raise errors.invalid("input", f"must have 1 to {INPUTS_LARGEST} texts")
    prompt_tokens = sum(tokens.count(text) for text in texts)
    data = [
        {
            "object": "embedding",
            "index": index,
            "embedding": vector(model.id, text, dimensions),
        }
        for index, text in enumerate(texts)
    ]
    return Embeddings(
        operation="embeddings",
        model=model,
        marks=failures.read(" ".join(texts)),
        output={"object": "list", "data": data},
        breakdown=prices.embedding(prompt_tokens),
        prompt_tokens=prompt_tokens,
    )


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
