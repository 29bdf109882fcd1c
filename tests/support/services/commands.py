"""`manage.py` as another process, the way an operator calls it."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from tests.support.services.warm import WarmProcess
from tests.support.waiting import PATIENCE_SECONDS


def manage(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run to the end on the test database; the caller looks at the exit code.

    On SQLite it waits for a `db` test's transaction in vain: use `committed_db`.
    """
    with tempfile.TemporaryDirectory() as folder:
        output, errors = Path(folder, "output"), Path(folder, "errors")
        process = WarmProcess(
            arguments,
            environment={**os.environ, **variables},
            stdout=output,
            stderr=errors,
        )
        try:
            code = process.wait(PATIENCE_SECONDS)
        finally:
            process.kill()
        return subprocess.CompletedProcess(
            process.args, code, output.read_text(), errors.read_text()
        )
