"""Chat messages: OpenAI's newer shapes as the one shape that the upstream knows.

A message of the contract is a role, a text and the addresses of images.
"""

from __future__ import annotations

from typing import Any

from proxy import contract
from proxy.errors import invalid

Message = dict[str, Any]


def native(messages: list[Any]) -> list[Any]:
    """The messages as the contract has them; what is no message is left to it.

    Raises: GatewayError (400).
    """
    return [
        _native(message, f"messages.{number}") if isinstance(message, dict) else message
        for number, message in enumerate(messages)
    ]


def _native(message: Message, where: str) -> Message:
    message = dict(message)
    role = message.get("role")
    if role == "developer":
        message["role"] = "system"
    elif role in ("tool", "function"):
        raise invalid(
            f"{where}.role: the upstream takes no results of tools. Give them to the "
            "model as the text of a user message.",
            param=f"{where}.role",
        )
    content = message.get("content")
    if isinstance(content, list):
        _split(message, content, f"{where}.content")
    elif content is None and ("content" in message or message.get("tool_calls")):
        message["content"] = ""  # an assistant that only called tools
    if message.get("images") is None:
        message.pop("images", None)
    elif isinstance(message["images"], list):
        for number, address in enumerate(message["images"]):
            contract.check_address(
                # None is no address either.
                "" if address is None else address,
                param=f"{where}.images.{number}",
                kind="image/",
            )
    return message


def _split(message: Message, parts: list[Any], where: str) -> None:
    """Put the texts of `parts` into `content` and their images into `images`.

    Raises: GatewayError (400).
    """
    texts: list[str] = []
    images: list[Any] = []
    for number, part in enumerate(parts):
        param = f"{where}.{number}"
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "text" and isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif kind == "image_url":
            images.append(_address(part.get("image_url"), param))
        elif kind == "text" or not isinstance(kind, str):
            raise invalid(f"{param}: must be a text or an image_url part.", param=param)
        else:
            raise invalid(
                f"{param}: parts of type {kind[:40]!r} are not supported here; text "
                "and image_url are.",
                param=param,
                code="unsupported_content",
            )
    message["content"] = "\n".join(texts)
    if images:
        given = message.get("images") or []
        message["images"] = [*(given if isinstance(given, list) else [given]), *images]


def _address(image: Any, param: str) -> str:
    """Raises: GatewayError (400)."""
    address = image.get("url") if isinstance(image, dict) else image
    contract.check_address(address or "", param=param, kind="image/")
    return str(address)
