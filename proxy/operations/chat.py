"""Chat completions: what clients send, as the upstream wants it, and its bounds."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http.response import HttpResponseBase

from billing.pricing.rates import Units
from proxy.calls import usage_shown
from proxy.calls.call import Call, Document, Headers, Incoming, Operation
from proxy.calls.counting import delivered_bytes, tokens, with_answer
from proxy.calls.heeded import Wish
from proxy.calls.numbering import number_items
from proxy.http import refusals, reply
from proxy.operations import bodies, chat_messages
from proxy.upstream import contract

NAME = "chat.completions"
PATH = "/chat/completions"
MODEL_DEFAULT = "openai/gpt-4o-mini"  # the contract's own default
COMPLETION_TOKENS_DEFAULT = 2048  # the contract's own default
TOKENS_LARGEST = 10_000_000  # any more is a typing error
CHOICES_LARGEST = 128

# Fields for the caller's bookkeeping, which do not change the answer.
BOOKKEEPING = {*bodies.BOOKKEEPING, "store", "service_tier", "prompt_cache_key"}
TOOLS = ("tools", "functions", "tool_choice", "function_call", "parallel_tool_calls")
# OpenAI's fields that the contract does not list and that cost nothing but tokens,
# which are counted. What could cost more, or go to another model, is in no list.
OPENAIS = (
    *("n", "stop", "seed", "top_p", "top_k", "min_p", "stream_options"),
    *("frequency_penalty", "presence_penalty", "repetition_penalty", "logit_bias"),
    *("logprobs", "top_logprobs", "response_format", "reasoning_effort", "verbosity"),
    *TOOLS,
)
NEVER_NULL = ("messages", "model")
# What asks for nothing that is not done anyway.
HARMLESS: dict[str, tuple[Any, ...]] = {
    "response_format": (None, {"type": "text"}),
    "tool_choice": (None, "auto", "none"),
    "logprobs": (None, False),
    "parallel_tool_calls": (None, True),
    "n": (None, 1),
}
# A byte-level tokenizer never makes more tokens than there are bytes; the rest is
# for what the upstream adds to a message.
TOKENS_PER_MESSAGE_MOST = 16
TOKENS_PER_MESSAGE = 4

SCHEMA_BYTES_MAX = 64 * 1024  # of one that the answer is compared with


def read(incoming: Incoming) -> Call:
    """The call that a request body asks for. Raises: GatewayError (400)."""
    body = _meaningful(incoming.document)
    asked = _completion_tokens(body)
    body.setdefault("model", MODEL_DEFAULT)
    options = body.pop("stream_options", None)
    stream = body.get("stream") is True
    if stream:
        # Always asked for: it is how the call is settled. Whether the client sees
        # it is the client's choice.
        body["stream_options"] = {"include_usage": True}
    _refuse_tools_if_told(body)
    _refuse_what_is_lacking(body)
    checked = chat_messages.in_contract(body)
    contract.check(checked, "ChatCompletionRequest", beside=OPENAIS)
    _refuse_tools_of_the_upstreams(body.get("tools"))
    choices = contract.whole_number(body, "n", default=1, most=CHOICES_LARGEST)
    # Written into the body even when absent: an upper bound that only we know of
    # would be no bound.
    body["max_tokens"] = asked or COMPLETION_TOKENS_DEFAULT
    content = contract.write(body)
    images = chat_messages.images(body["messages"])
    # Everything that goes out is counted, known field or not: what the upstream
    # might read is part of the bound. Images have a price of their own.
    text_bytes = len(content) - sum(len(address.encode()) for address in images)
    messages = len(body["messages"])
    web_search = body.get("web_search") is True
    return Call(
        operation=NAME,
        path=PATH,
        model=contract.model_name(body),
        content=content,
        most=Units(
            prompt_tokens=text_bytes + TOKENS_PER_MESSAGE_MOST * messages,
            completion_tokens=body["max_tokens"] * choices,
            images=len(images),
            web_search=web_search,
        ),
        least=Units(
            prompt_tokens=tokens(text_bytes) + TOKENS_PER_MESSAGE * messages,
            images=len(images),
            web_search=web_search,
        ),
        completion_tokens_asked=asked,
        # Thoughts that nobody sees may be charged beside the answer.
        traits=("reasoning",) if "reasoning_effort" in body else (),
        wishes=_wishes(body),
        schema=_schema(body),
        ignored=_ignored(incoming.document),
        stream=stream,
        wants_usage=isinstance(options, dict) and options.get("include_usage") is True,
        count=_count,
        complete_usage=usage_shown.with_tokens,
        answer=_answer,
    )


def _meaningful(document: Document) -> Document:
    """What is to be forwarded, in the upstream's words. Raises: GatewayError (400)."""
    body = {
        key: value
        for key, value in document.items()
        # Null is "your default" to the SDKs, but a call without these makes no sense.
        if key not in BOOKKEEPING and (value is not None or key in NEVER_NULL)
    }
    if isinstance(body.get("messages"), list):
        body["messages"] = chat_messages.native(body["messages"])
    if body.get("modalities") == ["text"]:
        del body["modalities"]  # there is no other answer
    return body


def _completion_tokens(body: dict[str, Any]) -> int | None:
    """The cap on the answer, in tokens, by its older or newer name; both are removed.

    Raises: GatewayError (400).
    """
    caps = []
    for name in ("max_tokens", "max_completion_tokens"):
        caps.append(contract.whole_number(body, name, default=0, most=TOKENS_LARGEST))
        body.pop(name, None)
    return min((cap for cap in caps if cap), default=None)


def _refuse_tools_if_told(body: dict[str, Any]) -> None:
    """An upstream that knows no tools would be paid for a loop that cannot end: with
    UPSTREAM_TOOLS=refuse its first call is the last. Raises: GatewayError (400)."""
    if settings.UPSTREAM_TOOLS != "refuse":
        return
    messages = body.get("messages")
    found = [name for name in TOOLS if name in body] + [
        f"messages.{number}.role"
        for number, message in enumerate(messages if isinstance(messages, list) else ())
        if chat_messages.is_result(message)
    ]
    if found:
        raise refusals.unsupported_parameter(
            f"{found[0]}: this upstream calls no tools and takes no results of them. "
            "Give them to the model as the text of a user message.",
            param=found[0],
        )


def _refuse_what_is_lacking(body: dict[str, Any]) -> None:
    """What the operator says his upstream passes over is not paid for first.

    Raises: GatewayError (400).
    """
    for name in settings.UPSTREAM_LACKS:
        if body.get(name) not in HARMLESS.get(name, (None,)):
            raise refusals.unsupported_parameter(
                f"{name}: this upstream passes over it. Leave it out, and say what you "
                "want in a message.",
                param=name,
            )


def _wishes(body: dict[str, Any]) -> dict[Wish, str]:
    """What the answer will show to be heeded or not."""
    found = {}
    if body.get("response_format") not in HARMLESS["response_format"]:
        found[Wish.JSON] = "response_format"
    if body.get("tool_choice") not in HARMLESS["tool_choice"] and body.get("tools"):
        found[Wish.TOOL_CALL] = "tool_choice"
    if body.get("logprobs") is True:
        found[Wish.LOGPROBS] = "logprobs"
    return found


def _schema(body: dict[str, Any]) -> Document | None:
    """The JSON schema that the answer shall keep to. Raises: GatewayError (400)."""
    match body.get("response_format"):
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)}}:
            # It is kept for as long as the call runs.
            return schema if len(contract.write(schema)) <= SCHEMA_BYTES_MAX else None
    return None


def _ignored(document: dict[str, Any]) -> tuple[str, ...]:
    """Of the caller's bookkeeping, what asks for something that is not done."""
    found = ("store",) if document.get("store") is True else ()
    if document.get("service_tier") not in (None, "auto", "default"):
        return (*found, "service_tier")
    return found


def _refuse_tools_of_the_upstreams(tools: Any) -> None:
    """Tools that the client runs cost tokens; those that the upstream would run, a web
    search, have prices that no bound knows. Raises: GatewayError (400)."""
    for number, tool in enumerate(tools if isinstance(tools, list) else ()):
        kind = tool.get("type") if isinstance(tool, dict) else None
        if kind not in (None, "function", "custom"):
            raise refusals.unsupported_parameter(
                f"tools.{number}.type must be function: the upstream runs no tools; "
                "for a search of the web set web_search.",
                param=f"tools.{number}.type",
            )


def _count(call: Call, document: dict[str, Any]) -> Units:
    return with_answer(call.least, delivered_bytes(document, "message"))


async def _answer(document: Document, headers: Headers) -> HttpResponseBase:
    """The reply, with an `index` in each choice: clients tell them apart by it."""
    number_items(document.get("choices"))
    return reply.json(document, headers)


OPERATION = Operation(NAME, "chat/completions", read)
