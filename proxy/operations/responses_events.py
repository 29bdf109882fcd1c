"""A chat's answer as OpenAI's response: its items, and the events that tell of them.

Made piece by piece of a stream's chunks. A whole answer is one chunk, so that both are
the same response.
"""

from __future__ import annotations

import time
from typing import Any

import orjson

from proxy.calls.counting import is_count
from proxy.operations.responses_output import Message, Output, Thought, ToolCall

Document = dict[str, Any]
# Why a chat ended before its end → why the response is incomplete.
INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
THOUGHTS = ("reasoning_content", "reasoning")  # as upstreams call them


class ResponseEvents:
    """One response on its way: `proxy.calls.call.Events`."""

    def __init__(self, echo: Document, request_id: str) -> None:
        """`echo` is what a response repeats of its request."""
        self._echo = echo
        self._hold_id = request_id.removeprefix("req_")
        self._created = int(time.time())
        self._model = echo["model"]
        self._sent = bytearray()
        self._sequence = 0
        self._outputs: list[Output] = []
        self._open: Output | None = None  # a text or a thought; calls are open together
        self._calls: dict[int, ToolCall] = {}
        self._finish_reason = ""
        self._is_failed = False

    # --- what clients are sent ---

    def begin(self) -> bytes:
        """Before anything came."""
        for kind in ("created", "in_progress"):
            self._say_response(kind, self._response("in_progress"))
        return self._taken()

    def feed(self, chunk: Document) -> bytes:
        """What one chunk of a chat adds; nothing, where it says nothing."""
        if isinstance(chunk.get("model"), str):
            self._model = chunk["model"]
        if error := chunk.get("error"):
            said = error if isinstance(error, dict) else {"message": error}
            return self.fail(_refusal(said))
        choices = chunk.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if isinstance(choice, dict):
            delta, why = choice.get("delta"), choice.get("finish_reason")
            if isinstance(delta, dict):
                self._take(delta, choice.get("logprobs"))
            if isinstance(why, str):
                self._finish_reason = why
        return self._taken()

    def end(self, usage: Document) -> bytes:
        """After the last chunk; `usage` as a chat has it, with what was charged."""
        if self._is_failed:
            return b""
        response = self.response(usage)
        self._say_response(response["status"], response)
        return self._taken()

    def fail(self, error: Document) -> bytes:
        """In place of the end; `error` as a refusal has it. SDKs raise at the last of
        these events; who reads the events alone finds the response failed."""
        if self._is_failed:
            return b""
        self._is_failed = True
        failed = self._response("failed")
        failed["error"] = {"code": error["code"], "message": error["message"]}
        self._say_response("failed", failed)
        flat = {name: error[name] for name in ("code", "message", "param")}
        self._say("error", {**flat, "error": error})
        return self._taken()

    def response(self, usage: Document) -> Document:
        """The whole response, once all chunks came."""
        why = INCOMPLETE.get(self._finish_reason)
        status = "incomplete" if why else "completed"
        self._close(status)
        for call in self._calls.values():
            call.close(status)
        response = self._response(status)
        if why:
            response["incomplete_details"] = {"reason": why}
        else:
            response["completed_at"] = int(time.time())
        response["usage"] = usage_of(usage)
        return response

    # --- what came ---

    def _take(self, delta: Document, logprobs: Any) -> None:
        thought = next(
            (delta[n] for n in THOUGHTS if isinstance(delta.get(n), str)), ""
        )
        if thought:
            self._text(Thought, "rs").add(thought)
        message = {kind: delta.get(kind) for kind in Message.KINDS}
        for kind, text in message.items():
            if isinstance(text, str) and text:
                self._text(Message, "msg").add(text, kind=kind, logprobs=logprobs)
        annotations = delta.get("annotations")
        if isinstance(annotations, list) and annotations:
            self._text(Message, "msg").annotate(annotations)
        calls = delta.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            if isinstance(call, dict) and is_count(call.get("index")):
                self._call(call["index"]).add(call)

    def _text(self, kind: type[Any], prefix: str) -> Any:
        """The text or thought that is being said; what was said before it is whole."""
        if not isinstance(self._open, kind):
            self._close()
            self._open = kind(self._say, self._next_id(prefix), len(self._outputs))
            self._outputs.append(self._open)
        return self._open

    def _call(self, index: int) -> ToolCall:
        if index not in self._calls:
            self._close()
            call = ToolCall(self._say, self._next_id("fc"), len(self._outputs))
            self._outputs.append(call)
            self._calls[index] = call
        return self._calls[index]

    def _next_id(self, prefix: str) -> str:
        return f"{prefix}_{self._hold_id}_{len(self._outputs)}"

    def _close(self, status: str = "completed") -> None:
        if self._open is not None:
            self._open.close(status)
            self._open = None

    # --- the words ---

    def _say_response(self, kind: str, response: Document) -> None:
        self._say(f"response.{kind}", {"response": response})

    def _say(self, kind: str, fields: Document) -> None:
        event = {"type": kind, **fields, "sequence_number": self._sequence}
        self._sequence += 1
        self._sent += b"event: %b\ndata: %b\n\n" % (kind.encode(), orjson.dumps(event))

    def _taken(self) -> bytes:
        sent, self._sent = bytes(self._sent), bytearray()
        return sent

    def _response(self, status: str) -> Document:
        return {
            "id": f"resp_{self._hold_id}",
            "object": "response",
            "created_at": self._created,
            "completed_at": None,
            "status": status,
            "error": None,
            "incomplete_details": None,
            **self._echo,
            "model": self._model,
            "output": [output.item for output in self._outputs],
            "usage": None,
        }


def _refusal(error: Document) -> Document:
    """An upstream's error inside its stream, in OpenAI's shape."""
    code, param = error.get("code"), error.get("param")
    return {
        "message": str(error.get("message") or "The upstream broke off its answer."),
        "type": "server_error",
        "param": param if isinstance(param, str) else None,
        "code": code if isinstance(code, str) else "upstream_error",
    }


def usage_of(chat: Document) -> Document:
    """A chat's `usage` in the shape of a response's; credits and what else the upstream
    says stay."""
    chats = ("prompt_tokens", "completion_tokens", "total_tokens")
    details = ("prompt_tokens_details", "completion_tokens_details")
    prompt, completion = (
        said if isinstance(said := chat.get(name), dict) else {} for name in details
    )
    more = {name: said for name, said in chat.items() if name not in (*chats, *details)}
    return {
        "input_tokens": chat["prompt_tokens"],
        "input_tokens_details": {"cache_write_tokens": 0, "cached_tokens": 0, **prompt},
        "output_tokens": chat["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": 0, **completion},
        "total_tokens": chat["total_tokens"],
        **more,
    }
