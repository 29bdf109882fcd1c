"""Reading a page as a browser would: its tags, attributes and text."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any


@dataclass
class Element:
    """One start tag."""

    tag: str
    attributes: dict[str, str | None]


@dataclass
class Page(HTMLParser):
    """All elements of a document, in order, and its text."""

    elements: list[Element] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def links(self) -> list[str]:
        return [e.attributes.get("href") or "" for e in self.elements if e.tag == "a"]


def read(response: Any) -> Page:
    """The page of a Django test client's response."""
    return read_text(response.content.decode())


def read_text(text: str) -> Page:
    page = Page()
    page.feed(text)
    page.close()
    return page


def misplaced(page: Page) -> list[Element]:
    """What the content security policy would block, or would be somebody's payload."""
    return [
        element
        for element in page.elements
        if element.tag in {"style", "iframe", "object", "embed", "base", "x-pwned"}
        or (element.tag == "script" and not is_own(element.attributes.get("src")))
        or any(name.startswith("on") or name == "style" for name in element.attributes)
        or (element.attributes.get("href") or "").lower().startswith("javascript:")
    ]


def is_own(source: str | None) -> bool:
    return source is not None and source.startswith("/static/")
