"""The only place that knows how `manage.py sandbox` reaches its server process.

Granian starts the server in a process of its own, so the command's options travel
through the environment.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import orjson
from django.conf import settings

VARIABLE = "SANDBOX_OPTIONS"


@dataclass(frozen=True, slots=True)
class Options:
    journal: str
    pace_ms: int = 25
    job_seconds: float = 3.0

    def export(self) -> None:
        """Put the options where the server process will find them."""
        os.environ[VARIABLE] = orjson.dumps(asdict(self)).decode()


def defaults() -> Options:
    return Options(journal=str(Path(settings.VAR_DIR) / "sandbox-journal.jsonl"))


@cache
def load() -> Options:
    """The options of this process, read once."""
    given = os.environ.get(VARIABLE)
    return Options(**orjson.loads(given)) if given else defaults()
