"""Static files are looked for once in a process, not by each test's client.

Django's test client makes the middleware anew, and WhiteNoise looks through all folders
then: a third of a small page test's time. The files do not change during a run.
"""

from __future__ import annotations

from functools import wraps
from typing import Any

from whitenoise.middleware import WhiteNoiseMiddleware


def find_once() -> None:
    """From now on the middleware of this process shares what the first one found."""
    find = WhiteNoiseMiddleware.add_files_from_finders
    found: dict[str, Any] = {}

    @wraps(find)
    def shared(middleware: WhiteNoiseMiddleware) -> None:
        if not found:
            find(middleware)
            found.update(middleware.files)
        middleware.files.update(found)

    WhiteNoiseMiddleware.add_files_from_finders = shared
