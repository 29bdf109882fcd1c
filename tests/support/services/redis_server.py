"""A private Redis on a free loopback port, without persistence."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path
from typing import Self

from tests.support.services import processes


class RedisServer:
    """One server. A port and not a Unix socket: Celery's URL for those differs."""

    def __init__(self, program: str, folder: Path) -> None:
        self.program = program
        self.folder = folder
        self.port = processes.free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> Self:
        log = self.folder / "redis.log"
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                processes.dying_with_parent(
                    [
                        self.program,
                        *("--bind", "127.0.0.1", "--port", str(self.port)),
                        *("--save", "", "--appendonly", "no"),
                        *("--dir", str(self.folder)),
                    ]
                ),
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        processes.wait_until(
            self._answers,
            process=self.process,
            explain=lambda: log.read_text(errors="replace")[-2000:],
        )
        return self

    def stop(self) -> None:
        processes.end_group(self.process)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False
