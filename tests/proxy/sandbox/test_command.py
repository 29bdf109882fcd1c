"""`manage.py sandbox` refuses options that would mislead."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.support.sandbox.server import KEY
from tests.support.services.commands import manage


def run(directory: Path, *arguments: str, key: str = KEY) -> str:
    """Run the command to its end and return what it complained about."""
    done = manage(
        *("sandbox", *arguments),
        UPSTREAM_BASE_URL="http://127.0.0.1:9/api/v1",
        UPSTREAM_API_KEY=key,
        VAR_DIR=str(directory),
    )
    assert done.returncode != 0
    return done.stderr


def test_a_port_in_use_is_not_shared(tmp_path: Path) -> None:
    with socket.socket() as busy:
        busy.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        assert "in use" in run(tmp_path, "--port", str(port))


def test_an_empty_key_is_refused(tmp_path: Path) -> None:
    assert "UPSTREAM_API_KEY" in run(tmp_path, "--port", "0", key="")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--pace-ms", "-1"], "negative"),
        (["--job-seconds", "-1"], "from 0 to"),
        (["--job-seconds", "nan"], "from 0 to"),
        (["--workers", "2"], "invalid choice"),
    ],
)
def test_senseless_options_are_refused(
    tmp_path: Path, arguments: list[str], complaint: str
) -> None:
    assert complaint in run(tmp_path, "--port", "0", *arguments)
