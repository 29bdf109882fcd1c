"""How `manage.py sandbox` reaches its server process: granian starts that process by
itself, so the command's options travel through the environment."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from functools import cache

import orjson
from django.conf import settings

VARIABLE = "SANDBOX_OPTIONS"


@dataclass(frozen=True, slots=True)
class Options:
    journal: str = field(
        default_factory=lambda: f"{settings.VAR_DIR}/sandbox-journal.jsonl"
    )
    pace_ms: int = 25
    job_seconds: float = 3.0

    def export(self) -> None:
        os.environ[VARIABLE] = orjson.dumps(asdict(self)).decode()


@cache
def load() -> Options:
    return Options(**orjson.loads(os.environ.get(VARIABLE, "{}")))
