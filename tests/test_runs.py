"""`python -m tests` leaves out the client programs alone, whose command runs them, and
runs no test twice on one database."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.__main__ import CLIENTS, KEEPS_NOTHING, SHARED, runs
from tests.support.sources import ROOT


def test_everything_runs_on_sqlite_once_and_on_postgresql() -> None:
    first, others = runs([])
    assert [(run.database, run.options[1:]) for run in (first, *others)] == [
        ("sqlite", [*SHARED, f"--ignore={CLIENTS}"]),
        ("postgres", [*SHARED, "--database-tests"]),
    ]


def test_options_reach_every_run() -> None:
    first, others = runs(["-x", "-k", "no such test"])
    for run in (first, *others):
        assert run.options[-3:] == ["-x", "-k", "no such test"]


def test_selected_files_run_on_both_databases_in_one_process_each() -> None:
    selected = ["tests/test_runs.py::test_options_reach_every_run", "-v"]
    first, others = runs(selected)
    assert first.options == selected
    assert [run.options for run in others] == [["--database-tests", *selected]]


def test_compiled_files_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEEPS_NOTHING, "1")
    command = [sys.executable, "-c", "import sys; print(sys.dont_write_bytecode)"]
    said = [
        subprocess.run(command, env=each.environment, capture_output=True).stdout
        for first, others in [runs([])]
        for each in (first, *others)
    ]
    assert said == [b"False\n"] * 2


def test_the_client_programs_have_a_command_that_ci_runs() -> None:
    makefile, ci = (ROOT / "Makefile").read_text(), (ROOT / ".ci/run").read_text()
    assert f"-m pytest {CLIENTS} " in makefile
    assert "make lint test clients\n" in ci
