"""Putting finished files into a bucket, by obstore (the extra `storage`).

`EXPORT_STORAGE_URL` names it: s3://bucket/folder, gs://…, az://…, file:///folder.
Credentials are the provider's own variables (AWS_ACCESS_KEY_ID …); nothing of them is
kept or logged here. `EXPORT_STORAGE_HTTP` lets it go unencrypted, to a store in one's
own network.
"""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path
from typing import Any, BinaryIO

from django.conf import settings


class StorageOff(Exception):
    """No bucket is named, or obstore is not installed."""


class StorageDown(Exception):
    """The bucket did not take it: try again."""


def is_installed() -> bool:
    """Whether the extra is there; nothing is imported."""
    return importlib.util.find_spec("obstore") is not None


def is_on() -> bool:
    return bool(settings.EXPORT_STORAGE_URL) and is_installed()


def put(name: str, stream: BinaryIO) -> None:
    """Send it in parts, so that any size takes the memory of a few of them. Again it
    replaces what is there. Raises: StorageOff, StorageDown."""
    if not is_on():
        raise StorageOff("EXPORT_STORAGE_URL is not set, or obstore is missing")
    import obstore
    from obstore.exceptions import BaseError
    from obstore.store import from_url

    try:
        options: Any = {}
        if not settings.EXPORT_STORAGE_URL.startswith(("file:", "memory:")):
            options["client_options"] = {
                "timeout": "60s",
                "connect_timeout": "5s",
                "allow_http": settings.EXPORT_STORAGE_HTTP,
            }
        store = from_url(settings.EXPORT_STORAGE_URL, **options)
        obstore.put(store, name, stream)
    except (BaseError, OSError, ValueError) as error:
        raise StorageDown(type(error).__name__) from error


def put_bytes(name: str, content: bytes) -> None:
    """Raises: StorageOff, StorageDown."""
    put(name, io.BytesIO(content))


def put_file(name: str, path: Path) -> None:
    """Raises: StorageOff, StorageDown, FileNotFoundError."""
    with path.open("rb") as stream:
        put(name, stream)
