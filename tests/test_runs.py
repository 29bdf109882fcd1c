"""`python -m tests` leaves no test out and runs none twice on one database."""

from __future__ import annotations

from tests.__main__ import CLIENTS, SHARED, runs


def test_everything_runs_on_sqlite_once_and_on_postgresql() -> None:
    first, others = runs([])
    assert (first.database, first.options[-1]) == ("sqlite", f"--ignore={CLIENTS}")
    assert [(run.database, run.options) for run in others] == [
        ("postgres", [*SHARED, "--database-tests"]),
        ("sqlite", [CLIENTS]),
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
