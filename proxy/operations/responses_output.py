"""The items of a response's output, each of which tells how it grows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Document = dict[str, Any]
Say = Callable[[str, Document], None]


class Output:
    """One item; `item` is it as far as it has come."""

    item: Document

    def __init__(self, say: Say, item_id: str, index: int) -> None:
        self.id = item_id
        self._say_event = say
        self._where = {"item_id": item_id, "output_index": index}
        self._is_closed = False

    def close(self, status: str) -> None:
        """It is whole, or "incomplete". Closed again, it says nothing."""
        if not self._is_closed:
            self._is_closed = True
            self._finish()
            self.item["status"] = status
            self._say_item("done")

    def _finish(self) -> None:
        raise NotImplementedError

    def _say(self, kind: str, **fields: Any) -> None:
        self._say_event(f"response.{kind}", {**self._where, **fields})

    def _say_item(self, kind: str) -> None:
        index = self._where["output_index"]
        said = {"output_index": index, "item": self.item}
        self._say_event(f"response.output_item.{kind}", said)


class Message(Output):
    """What the assistant says, in parts: texts, or that it refuses."""

    # A chat's field → the part that it is, and the part's own field.
    KINDS = {"content": ("output_text", "text"), "refusal": ("refusal", "refusal")}

    def __init__(self, say: Say, item_id: str, index: int) -> None:
        super().__init__(say, item_id, index)
        self._parts: list[Document] = []
        self._kind = ""
        self.item = {
            "id": item_id,
            "type": "message",
            "status": "in_progress",
            "role": "assistant",
            "content": [],
        }
        self._say_item("added")
        # From here on it grows; the event just made has its beginning.
        self.item = {**self.item, "content": self._parts}

    def add(self, text: str, *, kind: str, logprobs: Any = None) -> None:
        """`kind` is a chat's field; `logprobs` those of a chat's choice."""
        part, field = self._part(kind)
        part[field] += text
        where = {"content_index": len(self._parts) - 1}
        if field == "refusal":
            self._say("refusal.delta", **where, delta=text)
            return
        said = logprobs.get("content") if isinstance(logprobs, dict) else None
        found = said if isinstance(said, list) else []
        part["logprobs"] += found
        self._say("output_text.delta", **where, delta=text, logprobs=found)

    def annotate(self, annotations: list[Any]) -> None:
        """Sources of the text, as a chat names them."""
        part, _ = self._part("content")
        for said in annotations:
            kind = said.get("type") if isinstance(said, dict) else None
            if not isinstance(kind, str):
                continue
            fields = said.get(kind)
            annotation = {"type": kind, **fields} if isinstance(fields, dict) else said
            self._say(
                "output_text.annotation.added",
                content_index=len(self._parts) - 1,
                annotation_index=len(part["annotations"]),
                annotation=annotation,
            )
            part["annotations"].append(annotation)

    def _part(self, kind: str) -> tuple[Document, str]:
        """The part that is being said, and its field for the text."""
        name, field = self.KINDS[kind]
        if kind != self._kind:
            self._finish_part()
            self._kind = kind
            part: Document = {"type": name, field: ""}
            if kind == "content":
                part |= {"annotations": [], "logprobs": []}
            self._parts.append(part)
            place = len(self._parts) - 1
            self._say("content_part.added", content_index=place, part=part)
        return self._parts[-1], field

    def _finish_part(self) -> None:
        if not self._parts:
            return
        part, where = self._parts[-1], {"content_index": len(self._parts) - 1}
        if self._kind == "refusal":
            self._say("refusal.done", **where, refusal=part["refusal"])
        else:
            said = {"text": part["text"], "logprobs": part["logprobs"]}
            self._say("output_text.done", **where, **said)
        self._say("content_part.done", **where, part=part)

    def _finish(self) -> None:
        self._finish_part()


class Thought(Output):
    """What the model thought, where the upstream tells it."""

    def __init__(self, say: Say, item_id: str, index: int) -> None:
        super().__init__(say, item_id, index)
        self._part: Document = {"type": "summary_text", "text": ""}
        self.item = {"id": item_id, "type": "reasoning", "summary": []}
        self._say_item("added")
        self._say("reasoning_summary_part.added", summary_index=0, part=self._part)
        self.item = {**self.item, "summary": [self._part]}

    def add(self, text: str) -> None:
        self._part["text"] += text
        self._say("reasoning_summary_text.delta", summary_index=0, delta=text)

    def _finish(self) -> None:
        where, text = {"summary_index": 0}, self._part["text"]
        self._say("reasoning_summary_text.done", **where, text=text)
        self._say("reasoning_summary_part.done", **where, part=self._part)


class ToolCall(Output):
    """The call of a tool that the client runs; told from its name on."""

    def __init__(self, say: Say, item_id: str, index: int) -> None:
        super().__init__(say, item_id, index)
        self._is_told = False
        self._kind, self._field = "function_call", "arguments"
        self._waiting = ""  # of its arguments, until it is told
        # Never without an id for its result: some upstreams give none.
        self._call_id, self._name = f"call_{item_id.removeprefix('fc_')}", ""
        self._set_item("in_progress", "")

    def add(self, piece: Document) -> None:
        """A piece of a chat's `tool_calls`."""
        custom, function = piece.get("custom"), piece.get("function")
        if isinstance(custom, dict) and not self._is_told:
            self._kind, self._field = "custom_tool_call", "input"
        called = custom if isinstance(custom, dict) else function
        called = called if isinstance(called, dict) else {}
        if not self._is_told:
            if isinstance(piece.get("id"), str) and piece["id"]:
                self._call_id = piece["id"]
            if isinstance(called.get("name"), str):
                self._name = called["name"]
        text = called.get(self._field)
        self._waiting += text if isinstance(text, str) else ""
        if self._name:
            self._tell()

    def _tell(self) -> None:
        if not self._is_told:
            self._is_told = True
            self._set_item("in_progress", "")
            self._say_item("added")
        if self._waiting:
            text, self._waiting = self._waiting, ""
            self.item[self._field] += text
            self._say(f"{self._event}.delta", delta=text)

    @property
    def _event(self) -> str:
        return {"arguments": "function_call_arguments"}.get(
            self._field, "custom_tool_call_input"
        )

    def _set_item(self, status: str, text: str) -> None:
        self.item = {
            "id": self.id,
            "type": self._kind,
            "status": status,
            "call_id": self._call_id,
            "name": self._name,
            self._field: text,
        }

    def _finish(self) -> None:
        self._tell()
        text = {self._field: self.item[self._field]}
        self._say(f"{self._event}.done", **text, name=self._name)
