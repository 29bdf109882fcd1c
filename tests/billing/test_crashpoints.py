"""Crash points: a kill at the place and the pass that the environment names."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from tests.support.sources import ROOT

PROGRAM = """
from billing.values.crashpoints import crashpoint
for number in range(1, 4):
    print(number, flush=True)
    crashpoint("here")
    crashpoint("there")
print("alive")
"""
KILLED = -signal.SIGKILL


@pytest.mark.parametrize(
    ("setting", "code", "last"),
    [
        (None, 0, "alive"),
        ("", 0, "alive"),
        ("elsewhere", 0, "alive"),
        ("here:4", 0, "alive"),
        ("here", KILLED, "1"),
        ("there:3", KILLED, "3"),
    ],
)
def test_it_kills_where_it_is_told_to(
    setting: str | None, code: int, last: str
) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "CRASHPOINT"}
    if setting is not None:
        environment["CRASHPOINT"] = setting
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ended.returncode, ended.stdout.split()[-1]) == (code, last)
