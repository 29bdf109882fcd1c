"""The real server, `manage.py serve`, as a process a test may kill."""

from __future__ import annotations

import os
import signal
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from tests.support.services import processes
from tests.support.services.warm import WarmProcess
from tests.support.waiting import PATIENCE_SECONDS


class Gateway:
    """One gateway on a port of its own, which it keeps when restarted."""

    def __init__(self, *, folder: Path, environment: Mapping[str, str]) -> None:
        self.port = processes.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        # Its own, as on a machine of its own; kept when it is killed and restarted.
        # A port may come again, once its gateway has ended.
        prefix = f"gateway-{self.port}-"
        self.var_dir = Path(tempfile.mkdtemp(prefix=prefix, dir=folder))
        self.log = self.var_dir / "log"
        self.environment = {
            **os.environ,
            "PYTHONUNBUFFERED": "1",
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "PUBLIC_URL": self.url,
            "VAR_DIR": str(self.var_dir),
            # Enough for what ends; many tests leave calls that never would.
            "SHUTDOWN_SECONDS": "30",
            **environment,
        }
        self.process: WarmProcess | None = None

    @property
    def base_url(self) -> str:
        """What an OpenAI SDK takes as its `base_url`."""
        return f"{self.url}/v1"

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Start and wait for `/healthz`. Raises: AssertionError with the log's end."""
        self.process = WarmProcess(
            ["serve"], environment=self.environment, stdout=self.log
        )
        processes.wait_until(
            self.is_healthy,
            process=self.process,
            explain=lambda: self.log_text()[-4000:],
        )

    def is_healthy(self) -> bool:
        try:
            url = f"{self.url}/healthz"
            with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as reply:
                return bool(reply.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def kill(self) -> None:
        """SIGKILL to the whole process group, workers included: no goodbye."""
        if self.process is not None:
            processes.signal_group(self.process, signal.SIGKILL)
            self.process.wait()

    def stop(self) -> None:
        """An orderly end."""
        if self.process is not None:
            processes.end_group(self.process)

    def restart(self) -> None:
        """Up again on the same port, whether it was killed, stopped or running."""
        self.stop()
        self.start()

    def log_text(self) -> str:
        """All it has logged, over all its lives."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""
