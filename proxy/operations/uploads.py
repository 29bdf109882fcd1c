"""Pictures that clients send, as the upstream takes them: as addresses.

A file becomes a data URI. An address that a client gives is handed on and never
followed here.
"""

from __future__ import annotations

import re
from typing import Any

from proxy.http import multipart, refusals
from proxy.http.multipart import Upload
from proxy.upstream import contract

# How files begin; what a client or its SDK calls them is often just octet-stream.
BEGINNINGS = {
    "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "image/jpeg": re.compile(rb"\xff\xd8\xff"),
    "image/webp": re.compile(rb"RIFF....WEBP", re.DOTALL),
}


def only_one(value: Any, name: str) -> Any:
    """The only one of several parts. An SDK that must be given a file, and is given an
    address as an extra field, sends both: then the file is empty.

    Raises: GatewayError (400).
    """
    parts = value if isinstance(value, list) else [value]
    if len(parts) > 1:
        parts = [
            part for part in parts if not (isinstance(part, Upload) and not part.size)
        ]
    if len(parts) != 1:
        raise refusals.invalid(
            f"{name} must be given once: the upstream takes one picture at a time.",
            param=name,
        )
    return parts[0]


def as_address(value: Any, name: str) -> str:
    """A picture's address: its own, or a data URI of the file.

    Raises: GatewayError (400).
    """
    if isinstance(value, Upload):
        return value.as_base64(f"data:{_type_of(value, name)};base64,")
    contract.check_address(value, param=name, kind="image/")
    return str(value)


def _type_of(upload: Upload, name: str) -> str:
    """What the file is by its first bytes. Raises: GatewayError (400)."""
    head = upload.read(12)
    for kind, beginning in BEGINNINGS.items():
        if beginning.match(head):
            return kind
    raise refusals.invalid(f"{name} must be a PNG, JPEG or WebP file.", param=name)


def refuse_others(body: dict[str, Any]) -> None:
    """Refuse files in other fields. Raises: GatewayError (400)."""
    for name, part in multipart.each(body):
        if isinstance(part, Upload):
            raise refusals.invalid(f"{name[:64]} is not a file here.", param=name[:64])
