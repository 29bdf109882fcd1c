"""Embeddings, with vectors as base64 where the client asks for that.

Every SDK asks for `encoding_format: "base64"`, the upstream answers with lists of
numbers only, and openai-js turns a list that it did not expect into an empty vector,
without an error.
"""

from __future__ import annotations

import base64
import sys
from array import array
from functools import partial
from typing import Any

from django.http.response import HttpResponseBase

from billing.pricing.rates import Units
from proxy.calls.call import Call, Document, Headers, Incoming, Operation
from proxy.calls.counting import tokens
from proxy.calls.numbering import number_items
from proxy.http import refusals, reply
from proxy.operations import bodies
from proxy.upstream import contract

NAME = "embeddings"
PATH = "/embeddings"
MODEL_DEFAULT = "text-embedding-3-small"  # the contract's own default
INPUTS_LARGEST = 2048
TOKENS_PER_INPUT_MOST = 16


def read(incoming: Incoming) -> Call:
    """The call that a request body asks for, bounded in tokens: a text has at most as
    many as bytes, and at least a quarter of that.

    Raises: GatewayError (400) for an `encoding_format` other than float and base64, for
    token ids in place of texts, for no text or more than INPUTS_LARGEST, and for what
    the contract forbids.
    """
    encoding = bodies.one_of(incoming.document, "encoding_format", ("float", "base64"))
    body = bodies.meaningful(incoming.document, ("encoding_format",))
    body.setdefault("model", MODEL_DEFAULT)
    texts = body.get("input")
    if isinstance(texts, list) and any(isinstance(text, int | list) for text in texts):
        raise refusals.invalid(
            "input must be text: this upstream takes no token ids. In LangChain set "
            "check_embedding_ctx_length=False.",
            param="input",
        )
    contract.check(body, "EmbeddingRequest")
    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    if not 1 <= len(texts) <= INPUTS_LARGEST:
        raise refusals.invalid(
            f"input must hold 1 to {INPUTS_LARGEST} texts.", param="input"
        )
    text_bytes = sum(len(text.encode()) for text in texts)
    least = Units(prompt_tokens=tokens(text_bytes))
    return Call(
        operation=NAME,
        path=PATH,
        model=contract.model_name(body),
        content=contract.write(body),
        most=Units(prompt_tokens=text_bytes + TOKENS_PER_INPUT_MOST * len(texts)),
        least=least,
        answer=partial(_answer, least.prompt_tokens, encoding == "base64"),
    )


async def _answer(
    tokens: int, wants_base64: bool, document: Document, headers: Headers
) -> HttpResponseBase:
    """The reply. Its usage always names tokens, because the AI SDK throws an answer
    away that names none: those of the upstream, else the `tokens` that were charged."""
    usage = document["usage"]
    for name in ("prompt_tokens", "total_tokens"):
        if type(usage.get(name)) is not int:
            usage[name] = tokens
    number_items(document.get("data"))  # the SDKs put them in order by it
    if wants_base64:
        _pack(document.get("data"))
    return reply.json(document, headers)


def _pack(items: Any) -> None:
    """Replace each vector by base64 of its numbers, as little-endian 32-bit floats."""
    for item in items if isinstance(items, list) else ():
        vector = item.get("embedding") if isinstance(item, dict) else None
        if isinstance(vector, list):
            try:
                numbers = array("f", vector)
            except (TypeError, OverflowError):
                continue  # no numbers: the call is charged, so show what came
            if sys.byteorder == "big":
                numbers.byteswap()
            item["embedding"] = base64.b64encode(numbers.tobytes()).decode()


OPERATION = Operation(NAME, "embeddings", read)
