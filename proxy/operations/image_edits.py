"""Edits of an image: a form with files, or JSON with addresses, as SDKs send either.

The upstream takes addresses in JSON, so a file becomes a data URI. An address that
a client gives is handed on and never followed here.
"""

from __future__ import annotations

from typing import Any

from billing.pricing import Units
from proxy import contract
from proxy.calls import Call, Incoming, Operation, as_json
from proxy.errors import invalid
from proxy.forms import Upload
from proxy.operations import bodies, images

NAME = "images.edits"
PATH = "/images/edits"
SCHEMA = "ImageEditRequest"
DROPPED = (*images.DROPPED, "input_fidelity", "n")
# How files begin; what a client or its SDK calls them is often just octet-stream.
PNG, JPEG, RIFF, WEBP = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF", b"WEBP"


def read(incoming: Incoming) -> Call:
    """The call that a request asks for. Raises: GatewayError (400)."""
    document = incoming.document
    bodies.refuse_streaming(document)
    if document.get("n") not in (None, 1, "1"):
        raise invalid("n must be 1: the upstream edits one image at a time.", param="n")
    wants_bytes = images.wants_b64(document)
    body = bodies.meaningful(document, DROPPED)
    for name in ("image", "mask"):
        if name in body:
            body[name] = _as_address(_the_one(body[name], name), name)
    images.let_default_size(body)
    bodies.fill(body, SCHEMA, "model", "size")
    _refuse_other_files(body)
    contract.check(body, SCHEMA)
    units = Units(images=1, options=(body["size"],))
    return Call(
        operation=NAME,
        path=PATH,
        model=contract.model_name(body),
        content=contract.write(body),
        most=units,
        least=units,
        count=images.count,
        answer=images.with_bytes if wants_bytes else as_json,
    )


def _the_one(value: Any, name: str) -> Any:
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
        raise invalid(
            f"{name} must be given once: the upstream edits one image at a time.",
            param=name,
        )
    return parts[0]


def _as_address(value: Any, name: str) -> str:
    """Raises: GatewayError (400)."""
    if isinstance(value, Upload):
        return value.as_data_uri(_type_of(value, name))
    contract.check_address(value, param=name, kind="image/")
    return str(value)


def _type_of(upload: Upload, name: str) -> str:
    """What the file is by its first bytes. Raises: GatewayError (400)."""
    head = upload.head(12)
    if head.startswith(PNG):
        return "image/png"
    if head.startswith(JPEG):
        return "image/jpeg"
    if head[:4] == RIFF and head[8:12] == WEBP:
        return "image/webp"
    raise invalid(f"{name} must be a PNG, JPEG or WebP file.", param=name)


def _refuse_other_files(body: dict[str, Any]) -> None:
    """A file where the upstream knows none. Raises: GatewayError (400)."""
    for name, value in body.items():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, Upload):
                raise invalid(f"{name[:64]} is not a file here.", param=name[:64])


OPERATION = Operation(NAME, "images/edits", read, takes_forms=True)
