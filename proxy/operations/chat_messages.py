"""Chat messages: OpenAI's newer shapes as the one shape that the upstream knows.

A message of the contract is a role, a text and the addresses of images. Results of
tools are not in the contract; they are forwarded unchanged, and the upstream decides.
"""

from __future__ import annotations

from typing import Any

from proxy.http import refusals
from proxy.upstream import contract

Message = dict[str, Any]
RESULTS = ("tool", "function")  # the roles of the results of tools


def native(messages: list[Any]) -> list[Any]:
    """The messages in the contract's shape; `contract.check` refuses what is none.

    Raises: GatewayError (400).
    """
    return [
        _native(message, f"messages.{number}") if isinstance(message, dict) else message
        for number, message in enumerate(messages)
    ]


def in_contract(body: dict[str, Any]) -> dict[str, Any]:
    """The body as the contract's schema can check it: in the place of each result
    stands a message of its own."""
    messages = body.get("messages")
    if not isinstance(messages, list):
        return body
    checked = [
        {**message, "role": "user", "content": ""} if is_result(message) else message
        for message in messages
    ]
    return {**body, "messages": checked}


def is_result(message: Any) -> bool:
    """Whether the message is the result of a tool."""
    return isinstance(message, dict) and message.get("role") in RESULTS


def images(messages: list[Message]) -> list[str]:
    """The addresses of the images in native messages; a result has them in parts."""
    addresses: list[str] = []
    for message in messages:
        addresses += message.get("images", ())
        content = message.get("content")
        for part in content if isinstance(content, list) else ():
            if part["type"] == "image_url":
                image = part["image_url"]
                addresses.append(image["url"] if isinstance(image, dict) else image)
    return addresses


def _native(message: Message, where: str) -> Message:
    message = dict(message)
    content = message.get("content")
    if message.get("role") in RESULTS:
        if isinstance(content, list):
            _split({}, content, f"{where}.content")  # only to refuse what has no price
    elif isinstance(content, list):
        _split(message, content, f"{where}.content")
    elif content is None and (
        "content" in message
        or message.get("tool_calls")
        or message.get("function_call")
    ):
        message["content"] = ""  # an assistant that only called tools
    if message.get("role") == "developer":
        message["role"] = "system"
    if message.get("images") is None:
        message.pop("images", None)
    elif isinstance(message["images"], list):
        for number, address in enumerate(message["images"]):
            param = f"{where}.images.{number}"
            contract.check_address(address, param=param, kind="image/")
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
        elif kind == "refusal" and isinstance(part.get("refusal"), str):
            texts.append(part["refusal"])  # what an assistant said before
        elif kind == "image_url":
            images.append(_address(part.get("image_url"), param))
        elif kind == "text" or not isinstance(kind, str):
            raise refusals.invalid(
                f"{param}: must be a text or an image_url part.", param=param
            )
        else:
            raise refusals.unsupported_content(
                f"{param}: parts of type {kind[:40]!r} are not supported here; text "
                "and image_url are.",
                param=param,
            )
    message["content"] = "\n".join(texts)
    if images:
        given = message.get("images") or []
        message["images"] = [*(given if isinstance(given, list) else [given]), *images]


def _address(image: Any, param: str) -> str:
    """Raises: GatewayError (400)."""
    address = image.get("url") if isinstance(image, dict) else image
    contract.check_address(address, param=param, kind="image/")
    return str(address)
