"""Where exports are: `VAR_DIR/exports`, files that only we can read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from django.conf import settings


def folder() -> Path:
    """Made where it is missing."""
    found = Path(settings.VAR_DIR) / "exports"
    found.mkdir(mode=0o700, parents=True, exist_ok=True)
    return found


@contextmanager
def private_file(path: Path) -> Iterator[BinaryIO]:
    """A new file in the place of any that is there; on disk when this ends."""
    path.unlink(missing_ok=True)
    with open(path, "x+b", opener=_private) as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
