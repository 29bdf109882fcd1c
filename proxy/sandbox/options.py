"""The only place that knows how `manage.py sandbox` reaches its server process.

Granian starts the server in a process of its own, so the command's options travel
through the environment.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django.conf import settings

PACE_MS_DEFAULT = 25
JOURNAL_VARIABLE = "SANDBOX_JOURNAL"
PACE_VARIABLE = "SANDBOX_PACE_MS"
JOB_SECONDS_DEFAULT = 3.0
JOB_SECONDS_VARIABLE = "SANDBOX_JOB_SECONDS"


@dataclass(frozen=True, slots=True)
class Options:
    journal: Path
    pace_ms: int
    job_seconds: float = JOB_SECONDS_DEFAULT

    def export(self) -> None:
        """Put the options where the server process will find them."""
        os.environ[JOURNAL_VARIABLE] = str(self.journal)
        os.environ[PACE_VARIABLE] = str(self.pace_ms)
        os.environ[JOB_SECONDS_VARIABLE] = str(self.job_seconds)


def journal_default() -> Path:
    return Path(settings.VAR_DIR) / "sandbox-journal.jsonl"


@cache
def load() -> Options:
    """The options of this process, read once."""
    return Options(
        journal=Path(os.environ.get(JOURNAL_VARIABLE) or journal_default()),
        pace_ms=int(os.environ.get(PACE_VARIABLE) or PACE_MS_DEFAULT),
        job_seconds=float(os.environ.get(JOB_SECONDS_VARIABLE) or JOB_SECONDS_DEFAULT),
    )
