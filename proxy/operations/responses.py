"""OpenAI's responses, made of chats: the default of several SDKs and agents.

No conversation is kept here, so each request has to bring all of it; items of late
answers may be referred to (`responses_kept`). A response is priced, held and settled as
the chat that it becomes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from django.http.response import HttpResponseBase

from proxy.calls.call import Call, Document, Headers, Incoming, Operation
from proxy.calls.numbering import as_chunk
from proxy.http import refusals, reply
from proxy.http.errors import GatewayError
from proxy.operations import chat, responses_items, responses_kept
from proxy.operations.responses_events import ResponseEvents
from proxy.upstream import contract

# What changes nothing of the answer.
BOOKKEEPING = frozenset(
    {
        *("user", "metadata", "safety_identifier", "stream_options"),
        *("prompt_cache_key", "prompt_cache_options", "prompt_cache_retention"),
    }
)
# Fields that a chat has, too, under the same name.
SAME = ("model", "temperature", "top_p", "stream", "parallel_tool_calls", "web_search")
TRANSLATED = (
    *("input", "instructions", "max_output_tokens", "tools", "tool_choice", "text"),
    *("reasoning", "top_logprobs", "include", "store", "service_tier", "truncation"),
    "max_tool_calls",
)
# What would need a memory, or somebody who runs tools: → what to do instead.
STATELESS = "nothing is kept between calls: send the whole conversation as input"
REFUSED = {
    "previous_response_id": STATELESS,
    "conversation": STATELESS,
    "prompt": "no prompts are kept: send it as instructions and input",
    "background": "a response is made while its client waits: set stream to true",
    "context_management": STATELESS,
    "moderation": "nothing is moderated",
}
LOGPROBS = "message.output_text.logprobs"
# A chat's name for a field → the one that the client knows.
NAMES = {
    "messages": "input",
    "max_tokens": "max_output_tokens",
    "response_format": "text.format",
    "reasoning_effort": "reasoning.effort",
    "verbosity": "text.verbosity",
    "logprobs": "top_logprobs",
}


def read(incoming: Incoming) -> Call:
    """The call that a request for a response asks for. Raises: GatewayError (400)."""
    document = {
        name: value for name, value in incoming.document.items() if value is not None
    }
    _refuse(document)
    with _own_names():
        call = chat.read(replace(incoming, document=_as_chat(document)))
    echo = _echo(document, call.model)
    contract.write(echo)  # what no answer could repeat is refused before it is paid
    return replace(
        call,
        ignored=tuple(_ignored(document)),
        wishes={wish: NAMES.get(name, name) for wish, name in call.wishes.items()},
        answer=partial(_answer, echo),
        is_kept=document.get("store") is not False,
        events=lambda headers: ResponseEvents(echo, headers["x-request-id"]),
    )


def _refuse(document: Document) -> None:
    """Raises: GatewayError (400), by the name of the field."""
    for name, instead in REFUSED.items():
        if document.get(name):
            raise refusals.unsupported_parameter(
                f"{name} is not supported here: {instead}.", param=name
            )
    known = (*SAME, *TRANSLATED)
    for name in document:
        if name not in known and name not in BOOKKEEPING and name not in REFUSED:
            raise refusals.unsupported_parameter(
                f"{name[:64]} is not a parameter of this call. It takes: "
                f"{', '.join(known)}.",
                param=name[:64],
            )
    for name, kind in {"text": dict, "reasoning": dict, "include": list}.items():
        if not isinstance(document.get(name, kind()), kind):
            raise refusals.invalid(f"{name} must be an {kind.__name__}.", param=name)


def _as_chat(document: Document) -> Document:
    """The body of the chat. Raises: GatewayError (400)."""
    body = {name: document[name] for name in SAME if name in document}
    body["messages"] = responses_items.messages_of(
        document.get("instructions"), document.get("input")
    )
    if "max_output_tokens" in document:
        body["max_tokens"] = contract.whole_number(
            document, "max_output_tokens", default=0, most=chat.TOKENS_LARGEST
        )
    if tools := responses_items.tools_of(document.get("tools", [])):
        body["tools"] = tools
        if "tool_choice" in document:
            choice = document["tool_choice"]
            body["tool_choice"] = responses_items.tool_choice_of(choice)
    else:
        body.pop("parallel_tool_calls", None)  # upstreams refuse it without tools
    text, reasoning = document.get("text", {}), document.get("reasoning", {})
    if text.get("format") is not None:
        form = responses_items.response_format_of(text["format"])
        body["response_format"] = form
    body["verbosity"] = text.get("verbosity")
    body["reasoning_effort"] = reasoning.get("effort")
    if LOGPROBS in document.get("include", ()):
        body |= {"logprobs": True, "top_logprobs": document.get("top_logprobs")}
    return body


def _ignored(document: Document) -> Iterator[str]:
    """What was sent, would mean something, and has no effect."""
    if document.get("store"):
        yield "store"
    if document.get("service_tier") not in (None, "auto", "default"):
        yield "service_tier"
    if document.get("truncation") not in (None, "disabled"):
        yield "truncation"
    if [each for each in document.get("include", ()) if each != LOGPROBS]:
        yield "include"
    for name in document.get("reasoning", {}):
        if name != "effort" and document["reasoning"][name] is not None:
            # It goes into a header, and into a line of a stream.
            is_plain = name.isascii() and name.isprintable()
            yield f"reasoning.{name}"[:64] if is_plain else "reasoning"


@contextmanager
def _own_names() -> Iterator[None]:
    """A chat's refusals name its own fields: these are told by the client's."""
    try:
        yield
    except GatewayError as error:
        name, dot, rest = (error.param or "").partition(".")
        if name in NAMES:
            # Items and messages are not counted alike.
            end = "" if name == "messages" else dot + rest
            message = error.message.replace(name, NAMES[name])
            raise replace(error, message=message, param=NAMES[name] + end) from None
        raise


def _echo(document: Document, model: str) -> Document:
    """What a response repeats of its request, with OpenAI's defaults."""
    said = document.get
    text, reasoning = said("text", {}), said("reasoning", {})
    return {
        "background": False,
        "instructions": said("instructions"),
        "max_output_tokens": said("max_output_tokens"),
        "max_tool_calls": said("max_tool_calls"),
        "metadata": said("metadata", {}),
        "model": model,
        "parallel_tool_calls": said("parallel_tool_calls", True),
        "previous_response_id": None,
        "prompt_cache_key": said("prompt_cache_key"),
        "reasoning": {"effort": reasoning.get("effort"), "summary": None},
        "safety_identifier": said("safety_identifier"),
        "service_tier": "default",
        "store": False,
        "temperature": said("temperature", 1.0),
        "text": {"format": {"type": "text"}, **text},
        "tool_choice": said("tool_choice", "auto"),
        "tools": said("tools", []),
        "top_logprobs": said("top_logprobs", 0),
        "top_p": said("top_p", 1.0),
        "truncation": "disabled",
        "user": said("user"),
    }


async def _answer(
    echo: Document, document: Document, headers: Headers
) -> HttpResponseBase:
    """A whole chat as a response; clients read it as they read the events' last."""
    events = ResponseEvents(echo, headers["x-request-id"])
    events.feed(as_chunk(document))
    return reply.json(events.response(document["usage"]), headers)


OPERATION = Operation(
    chat.NAME,
    "responses",
    read,
    recall=responses_kept.recall,
    caps=("max_output_tokens",),
)
