"""OpenAI's older completions, made of chats: the prompt is a user's message."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.http.response import HttpResponseBase

from proxy.calls.call import Call, Document, Headers, Incoming, Operation
from proxy.calls.numbering import as_chunk
from proxy.http import refusals, reply
from proxy.http.sse import DONE, render
from proxy.operations import chat

COMPLETION_TOKENS_DEFAULT = 16  # OpenAI's own
# What a chat cannot do, where it asks for more than OpenAI's default.
REFUSED: dict[str, tuple[Any, ...]] = {
    "echo": (False,),
    "suffix": ("",),
    "best_of": (1,),
    "logprobs": (),
}


def read(incoming: Incoming) -> Call:
    """The call that a request for a completion asks for. Raises: GatewayError (400)."""
    body = {
        name: value for name, value in incoming.document.items() if value is not None
    }
    for name, usual in REFUSED.items():
        value = body.pop(name, None)
        if value is not None and value not in usual:
            raise refusals.unsupported_parameter(
                f"{name} is not supported here: the prompt becomes a chat.", param=name
            )
    if "messages" in body:
        raise refusals.unsupported_parameter(
            "messages belong to /v1/chat/completions; this takes a prompt.",
            param="messages",
        )
    message = {"role": "user", "content": _prompt(body.pop("prompt", None))}
    body.setdefault("max_tokens", COMPLETION_TOKENS_DEFAULT)
    call = chat.read(replace(incoming, document={**body, "messages": [message]}))
    return replace(
        call,
        answer=_answer,
        events=lambda headers: CompletionEvents(call, headers["x-request-id"]),
    )


def _prompt(prompt: Any) -> str:
    """Raises: GatewayError (400) unless it is one text."""
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    if isinstance(prompt, str) and prompt:
        return prompt
    raise refusals.invalid(
        "prompt must be one text: neither numbers of tokens nor several texts.",
        param="prompt",
    )


async def _answer(document: Document, headers: Headers) -> HttpResponseBase:
    whole = {**as_text(as_chunk(document)), "usage": document["usage"]}
    return reply.json(whole, headers)


def as_text(chunk: Document) -> Document:
    """A chunk of a chat as one of a completion."""
    choices = []
    for choice in chunk["choices"]:
        delta = choice.get("delta")
        said = delta.get("content") if isinstance(delta, dict) else None
        choices.append(
            {
                "index": choice.get("index", 0),
                "text": said if isinstance(said, str) else "",
                "finish_reason": choice.get("finish_reason"),
                "logprobs": None,
            }
        )
    head = {name: chunk.get(name) for name in ("id", "created", "model")}
    return {**head, "object": "text_completion", "choices": choices}


class CompletionEvents:
    """A completion on its way: `proxy.calls.call.Events`."""

    def __init__(self, call: Call, request_id: str) -> None:
        self._wants_usage = call.wants_usage
        self._head: Document = {"id": request_id, "model": call.model}

    def begin(self) -> bytes:
        return b""

    def feed(self, chunk: Document) -> bytes:
        if chunk.get("error"):
            return render(chunk)
        choices = chunk.get("choices")
        if not isinstance(choices, list) or not choices:
            return b""
        told = as_text(
            {**chunk, "choices": [each for each in choices if isinstance(each, dict)]}
        )
        self._head = {name: told[name] for name in told if name != "choices"}
        return render(told)

    def end(self, usage: Document) -> bytes:
        if not self._wants_usage:
            return DONE
        return render({**self._head, "choices": [], "usage": usage}) + DONE

    def fail(self, error: Document) -> bytes:
        return render({"error": error})


OPERATION = Operation(chat.NAME, "completions", read)
