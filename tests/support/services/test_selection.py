"""The rules of a run: what may not be combined, left out, or counted as success."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.support.services import selection
from tests.support.sources import ROOT


def item(*fixtures: str, **marks: Any) -> pytest.Item:
    """As much of a collected test as the rules look at."""
    made = {name: getattr(pytest.mark, name)(**given) for name, given in marks.items()}
    fake = SimpleNamespace(
        nodeid="tests/test_x.py::test_x",
        fixturenames=list(fixtures),
        get_closest_marker=lambda name: made[name].mark if name in made else None,
    )
    return cast("pytest.Item", fake)


@pytest.mark.parametrize(
    "unsafe",
    [
        item("transactional_db"),
        item("live_server"),
        item(django_db={"transaction": True}),
        item("db", "committed_db", "django_db_setup"),
        item("live_gateway", "committed_db", django_db={}),
    ],
)
def test_what_can_not_work_is_refused(unsafe: pytest.Item) -> None:
    with pytest.raises(pytest.UsageError, match="committed_db"):
        selection.refuse_unsafe(unsafe)


@pytest.mark.parametrize("safe", [item(), item("db"), item(django_db={})])
def test_ordinary_tests_are_not_refused(safe: pytest.Item) -> None:
    selection.refuse_unsafe(safe)


def test_every_file_that_has_its_turn_is_there() -> None:
    names = {path.name for path in ROOT.glob("tests/**/test_*.py")}
    assert names >= selection.READING_ALL | selection.WAITING


@pytest.mark.parametrize("hands", [1, 3, 4])
def test_what_waits_is_in_every_part_of_what_commits(hands: int) -> None:
    rest = [item("db") for _ in range(30)]
    late = [item("committed_db") for _ in range(25)]
    late[0].nodeid = "tests/test_race_to_zero.py::test_x"  # type: ignore[misc]
    for each in late[1:9]:
        each.nodeid = "tests/test_up.py::test_x"  # type: ignore[misc]
    given = selection.dealt([*late, *rest], hands)
    assert sorted(map(id, given)) == sorted(map(id, [*late, *rest]))
    turns = [selection.turn(each) for each in given]
    assert turns[:30] == [0] * 30
    # Each part begins with its share of the eight that wait, before what does not.
    starts = [n for n in range(31, 55) if turns[n] == 2 and turns[n - 1] != 2]
    assert len(starts) == hands
    assert all(turns[n : n + 8 // hands] == [2] * (8 // hands) for n in starts)


def test_the_second_run_takes_database_tests_only() -> None:
    def second(candidate: pytest.Item) -> bool:
        return selection.is_wanted(candidate, is_second_run=True)

    assert second(item("db", "django_db_setup"))
    assert second(item(django_db={}))
    assert not second(item("upstream"))
    assert not second(item("db", "django_db_setup", once={}))
    shows_a_page = item("db", "django_db_setup")
    shows_a_page.nodeid = "tests/proxy/views/test_x.py::test_x"  # type: ignore[misc]
    assert not second(shows_a_page)


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_tests_about_the_other_database_are_left_out(
    monkeypatch: pytest.MonkeyPatch, database: str
) -> None:
    monkeypatch.setenv("TEST_DATABASE", database)
    wanted = {
        mark: selection.is_wanted(item(**{mark: {}}), is_second_run=False)
        for mark in selection.ONLY_ON
    }
    assert [mark for mark, is_wanted in wanted.items() if is_wanted] == [
        f"{database}_only"
    ]


@pytest.mark.parametrize(
    ("marks", "is_left_out"),
    [
        ("pytestmark = pytest.mark.once  # why", True),
        ("pytestmark = [pytest.mark.timeout(9), pytest.mark.sqlite_only]", True),
        ("pytestmark = [\n    pytest.mark.timeout(9),\n    pytest.mark.once,\n]", True),
        ("pytestmark = pytest.mark.timeout(9)\n\n# not pytest.mark.once", False),
        ("@pytest.mark.once", False),
    ],
)
def test_a_file_that_is_marked_as_a_whole_is_not_collected_again(
    tmp_path: Path, marks: str, *, is_left_out: bool
) -> None:
    path = tmp_path / "test_one.py"
    path.write_text(f"import pytest\n\n{marks}\ndef test_one(db):\n    pass\n")
    assert selection.is_left_out(path) is is_left_out
    lost = item("db", "django_db_setup")
    lost.path = path
    if is_left_out:
        with pytest.raises(pytest.UsageError, match="would not find it"):
            selection.refuse_lost([lost])
    else:
        selection.refuse_lost([lost])
    for mark in ("once", "sqlite_only"):
        marked = item("db", "django_db_setup", **{mark: {}})
        marked.path = path
        selection.refuse_lost([marked])


@pytest.mark.parametrize(
    ("body", "variables", "exit_code"),
    [
        ("pytest.skip('no such service')", {}, 0),
        ("pytest.skip('no such service')", {"REQUIRE_SERVICES": "1"}, 1),
        ("pytest.xfail('known')", {"REQUIRE_SERVICES": "1"}, 5),
        ("pass", {"TEST_DATABASE": "oracle"}, 4),
        ("pass", {"DJANGO_SETTINGS_MODULE": "portal.settings"}, 4),
    ],
)
def test_the_exit_code_of_a_run(
    tmp_path: Path, body: str, variables: dict[str, str], exit_code: int
) -> None:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TOLLGATE_TESTS_", "PYTEST_", "DJANGO_", "TEST_"))
        and name != "REQUIRE_SERVICES"
    }
    (tmp_path / "test_one.py").write_text(
        f"import pytest\ndef test_one():\n    {body}\n"
    )
    # The second path has no tests; it makes pytest load the suite's conftest.py.
    paths = [str(tmp_path / "test_one.py"), "tests/support/services/__init__.py"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-c", "pyproject.toml", *paths],
        cwd=ROOT,
        env={**inherited, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == exit_code, run.stdout + run.stderr
