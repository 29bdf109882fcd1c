"""The forms of a page, as a browser would send them when nothing was typed."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass
class Form:
    """Where it is sent, and its fields with what they hold."""

    action: str
    method: str
    fields: dict[str, list[str]] = field(default_factory=dict)
    empty: list[str] = field(default_factory=list)  # text fields that hold nothing


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._form: Form | None = None
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            method = given.get("method", "get").lower()
            self._form = Form(given.get("action", ""), method)
            self.forms.append(self._form)
        elif self._form is not None:
            self._read(tag, given, self._form)

    def _read(self, tag: str, given: dict[str, str], form: Form) -> None:
        name, value = given.get("name", ""), given.get("value", "")
        kind = given.get("type", "text")
        if tag == "select":
            self._select = name
        elif tag == "option" and ("selected" in given or self._is_first(form)):
            form.fields[self._select] = [value]
        elif tag == "textarea" and name:
            form.empty.append(name)
        elif tag == "button" and name:
            form.fields.setdefault(name, [value])
        elif tag == "input" and name:
            if kind in ("checkbox", "radio"):
                if "checked" in given:
                    form.fields.setdefault(name, []).append(value or "on")
            else:
                form.fields.setdefault(name, []).append(value)
                if not value and kind != "hidden":
                    form.empty.append(name)

    def _is_first(self, form: Form) -> bool:
        return bool(self._select) and self._select not in form.fields

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "select":
            self._select = ""


def forms_of(text: str) -> list[Form]:
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return reader.forms
