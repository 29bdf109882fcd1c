"""`manage.py` as another process, the way an operator calls it."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.support.sources import ROOT
from tests.support.waiting import PATIENCE_SECONDS


def manage(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run to the end on the test database; the caller looks at the exit code.

    On SQLite it waits for a `db` test's transaction in vain: use `committed_db`.
    """
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
