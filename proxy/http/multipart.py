"""Uploads: multipart forms as the SDKs send them, with or without a length.

openai-js streams files without a Content-Length, and Django's own request then finds
an empty form without an error. So the body is first written to a file, within the
limit; Django's parser reads from there, in a thread.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from dataclasses import dataclass
from io import SEEK_END
from tempfile import SpooledTemporaryFile
from typing import Any, cast

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.core.files.uploadhandler import FileUploadHandler
from django.http.multipartparser import MultiPartParser, MultiPartParserError

from proxy.http import multipart_names, refusals
from proxy.http.handler import BodyTooLarge, LeanRequest

MULTIPART = "multipart/form-data"
MEMORY_BYTES_MAX = 1024**2  # of a body or a file; above that, on disk
ENCODED_AT_ONCE = 3 * 1024**2 // 4  # divisible by 3: its base64 needs no padding
ENDING_BYTES_MAX = 1024  # the closing boundary, and what may follow it


@dataclass(eq=False)
class Upload:
    """One file of a form. `name` is what the client claims."""

    name: str
    size: int  # bytes
    file: SpooledTemporaryFile[bytes]

    def read(self, bytes_max: int = -1) -> bytes:
        """Its beginning, or all of it, in memory."""
        self.file.seek(0)
        return self.file.read(bytes_max)

    def as_base64(self, before: str = "") -> str:
        """`before` and all of it as base64, made without a second whole copy."""
        self.file.seek(0)
        pieces = iter(lambda: self.file.read(ENCODED_AT_ONCE), b"")
        return "".join([before, *(base64.b64encode(p).decode() for p in pieces)])

    def close(self) -> None:
        """Django's parser calls it, too, when a form is malformed."""
        self.file.close()


async def read_form(
    request: LeanRequest, *, bytes_max: int, seconds_max: float
) -> dict[str, Any]:
    """The form: text parts as str, files as `Upload`; `name[]`, and a name that comes
    more than once, as a list. Its files are to be closed with `close_uploads`.

    Raises: GatewayError (400, 413), BodyTooLarge, ClientGone, TimeoutError.
    """
    with SpooledTemporaryFile[bytes](MEMORY_BYTES_MAX) as body:
        await request.read_into(
            body.write, bytes_max=bytes_max, seconds_max=seconds_max
        )
        return await asyncio.to_thread(_parse, request, body)


def each(form: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every part with its field."""
    for field, value in form.items():
        for part in value if isinstance(value, list) else [value]:
            yield field, part


def parts(form: dict[str, Any]) -> Iterator[tuple[str, str, bytes]]:
    """Every part as (field, file name or "", content); a list's field as `name[]`."""
    for field, part in each(form):
        name = f"{field}[]" if isinstance(form[field], list) else field
        if isinstance(part, Upload):
            yield name, part.name, part.read()
        else:
            yield name, "", str(part).encode()


class _Files(FileUploadHandler):
    """Keeps the files of a form as `Upload`s."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[SpooledTemporaryFile[bytes]] = []

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self.opened.append(SpooledTemporaryFile(MEMORY_BYTES_MAX))  # noqa: SIM115

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self.opened[-1].write(raw_data)

    def file_complete(self, file_size: int) -> Any:
        return Upload(self.file_name or "", file_size, self.opened[-1])

    def close(self) -> None:
        for file in self.opened:
            file.close()


def _parse(request: LeanRequest, body: SpooledTemporaryFile[bytes]) -> dict[str, Any]:
    """Raises: GatewayError (400, 413), BodyTooLarge."""
    size = body.tell()
    if not _is_whole(request, body, size):
        raise refusals.invalid("The form has no end: its closing boundary is missing.")
    boundary = (request.content_params or {}).get("boundary", "").encode()
    try:
        mended = multipart_names.mended(body, boundary, MEMORY_BYTES_MAX)
    except multipart_names.TooManyParts:
        most = multipart_names.PARTS_MAX
        raise refusals.too_complex(f"The form has more than {most:,} parts.") from None
    with mended as readable:
        return _form(request, readable)


def _form(request: LeanRequest, body: SpooledTemporaryFile[bytes]) -> dict[str, Any]:
    """Raises: GatewayError (400), BodyTooLarge."""
    body.seek(0, SEEK_END)
    size = body.tell()
    meta = {
        "CONTENT_TYPE": request.META.get("CONTENT_TYPE", ""),
        "CONTENT_LENGTH": str(size),
    }
    files = _Files()
    body.seek(0)
    try:
        texts, uploads = MultiPartParser(
            meta, cast(Any, body), [files], "utf-8"
        ).parse()
    except RequestDataTooBig:  # text parts, which are kept in memory
        files.close()
        raise BodyTooLarge from None
    except (MultiPartParserError, SuspiciousOperation, ValueError):
        files.close()
        raise refusals.invalid("The body is not a valid multipart form.") from None
    form: dict[str, list[Any]] = {}
    for name, values in (*texts.lists(), *uploads.lists()):
        form.setdefault(name.removesuffix("[]"), []).extend(values)
    lists = {name for name in (*texts, *uploads) if name.endswith("[]")}
    return {
        name: values if len(values) > 1 or f"{name}[]" in lists else values[0]
        for name, values in form.items()
    }


def _is_whole(
    request: LeanRequest, body: SpooledTemporaryFile[bytes], size: int
) -> bool:
    """Whether the closing boundary is there; Django takes a form without one."""
    boundary = (request.content_params or {}).get("boundary", "")
    body.seek(max(0, size - ENDING_BYTES_MAX))
    return f"--{boundary}--".encode() in body.read()


def close_uploads(document: dict[str, Any]) -> None:
    """Close the files of a form; they are deleted by that."""
    for _, part in each(document):
        if isinstance(part, Upload):
            part.close()
