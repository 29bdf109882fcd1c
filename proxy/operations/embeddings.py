"""Embeddings: base64 where the SDKs ask for it, priced by tariff.

Every SDK asks for `encoding_format: "base64"`, the upstream knows only lists of
numbers, and openai-js turns a list it did not expect into an empty vector, without
an error. So the packing happens here.
"""

from __future__ import annotations

import base64
import sys
from array import array
from functools import partial
from typing import Any

from django.http.response import HttpResponseBase

from billing.pricing.rates import Units
from proxy.calls.call import Call, Document, Headers, Incoming, Operation, as_json
from proxy.calls.counting import tokens
from proxy.calls.numbering import number_items
from proxy.http import refusals
from proxy.operations import bodies
from proxy.upstream import contract

NAME = "embeddings"
PATH = "/embeddings"
MODEL_DEFAULT = "text-embedding-3-small"  # the contract's own default
INPUTS_LARGEST = 2048
TOKENS_PER_INPUT_MOST = 16


def read(incoming: Incoming) -> Call:
    """The call that a request body asks for. Raises: GatewayError (400)."""
    body = bodies.meaningful(incoming.document)
    encoding = body.pop("encoding_format", None)
    if encoding not in (None, "float", "base64"):
        raise refusals.invalid(
            "encoding_format must be float or base64.", param="encoding_format"
        )
    body.setdefault("model", MODEL_DEFAULT)
    _refuse_token_ids(body.get("input"))
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


def _refuse_token_ids(texts: Any) -> None:
    if isinstance(texts, list) and any(isinstance(text, int | list) for text in texts):
        raise refusals.invalid(
            "input must be text: this upstream takes no token ids. In LangChain set "
            "check_embedding_ctx_length=False.",
            param="input",
        )


async def _answer(
    tokens: int, wants_base64: bool, document: Document, headers: Headers
) -> HttpResponseBase:
    """The reply, whose usage names tokens: the AI SDK throws away one without.

    Where the upstream names none, they are the `tokens` that were charged.
    """
    usage = document["usage"]
    for name in ("prompt_tokens", "total_tokens"):
        if type(usage.get(name)) is not int:
            usage[name] = tokens
    number_items(document.get("data"))  # the SDKs put them in order by it
    return await as_json(pack(document) if wants_base64 else document, headers)


def pack(document: dict[str, Any]) -> dict[str, Any]:
    """The reply with its vectors as base64 of little-endian 32-bit floats."""
    items = document.get("data")
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
    return document


OPERATION = Operation(NAME, "embeddings", read)
