"""Which tests run against which database, and what counts as a failed run.

`make test` runs everything on SQLite and `--database-tests` on PostgreSQL.
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Iterable
from functools import cache
from pathlib import Path

import pytest

from tests.support.services import environment, requirements
from tests.support.sources import ROOT

ONLY_ON = {"sqlite_only": "sqlite", "postgres_only": "postgres"}
# What these show is the same on any database.
ONCE_FOLDERS = ("tests/proxy/operations/", "tests/proxy/views/")
# They look at all that is stored, again and again: the less there is, the better.
READING_ALL = frozenset(
    {
        "test_budget_race.py",
        "test_race_to_zero.py",
    }
)
# Their tests mostly wait. Of what commits they come early, in each process: it waits
# while the others compute, and no one waits alone at the end.
WAITING = frozenset(
    {
        "test_crash_points.py",
        "test_database_gone.py",
        "test_first_attempts.py",
        "test_kill9.py",
        "test_locked_accounts.py",
        "test_retry_storm.py",
        "test_spooled_settlements.py",
        "test_storm.py",
        "test_unknown_commit.py",
        "test_up.py",
        "test_waits_end.py",
        "test_worker.py",
        "test_worker_broker.py",
        "test_worker_kills.py",
    }
)
# A file's own `pytestmark`, over as many lines as it has, and what of it leaves out all
# of the file.
MARKS = re.compile(r"^pytestmark\b.*\n(?:[ \])].*\n)*", re.MULTILINE)
LEFT_OUT = re.compile(r"\bmark\.(once|sqlite_only)\b")
FLUSHING = frozenset({"transactional_db", "live_server", "django_db_reset_sequences"})


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--database-tests",
        action="store_true",
        help="only tests that touch the database and are not marked `once`",
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """What has no test for the second run is not even imported there."""
    if config.getoption("--database-tests") and is_left_out(collection_path):
        return True
    return None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    for item in items:
        refuse_unsafe(item)
    is_second_run = config.getoption("--database-tests")
    if not is_second_run:
        refuse_lost(items)
    kept: list[pytest.Item] = []
    others: list[pytest.Item] = []
    for item in items:
        is_kept = is_wanted(item, is_second_run=is_second_run)
        (kept if is_kept else others).append(item)
    config.hook.pytest_deselected(items=others)
    # What commits for real comes last: the others may find an empty house.
    items[:] = dealt(kept, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT") or 1))
    reason = config.stash.get(requirements.UNAVAILABLE, "")
    if reason:
        for item in filter(touches_database, items):
            item.add_marker(pytest.mark.skip(reason=reason))


def touches_database(item: pytest.Item) -> bool:
    names = getattr(item, "fixturenames", ())
    return (
        "django_db_setup" in names or item.get_closest_marker("django_db") is not None
    )


def commits(item: pytest.Item) -> bool:
    return "committed_db" in getattr(item, "fixturenames", ())


def turn(item: pytest.Item) -> int:
    """Which tests come before which; those of a file stay together."""
    if not commits(item):
        return 0
    file = item.nodeid.partition("::")[0].rpartition("/")[2]
    return 1 if file in READING_ALL else 2 if file in WAITING else 3


def dealt(items: list[pytest.Item], hands: int) -> list[pytest.Item]:
    """In turns; of the last two each of so many parts has its share. By
    `--dist=worksteal` one process is given all that commits, and who has nothing left
    takes the latter half of its list: else there would be nothing that waits in it,
    and one process would do all of that alone when the others have ended."""
    found = [[each for each in items if turn(each) == number] for number in range(4)]
    dealt_out = found[0] + found[1]
    for hand in range(hands):
        for each in found[2:]:
            first, end = (len(each) * (hand + more) // hands for more in (0, 1))
            dealt_out += each[first:end]
    return dealt_out


def is_wanted(item: pytest.Item, *, is_second_run: bool) -> bool:
    if is_second_run and (is_once(item) or not touches_database(item)):
        return False
    wrong = [
        mark
        for mark, database in ONLY_ON.items()
        if database != environment.wanted_database()
    ]
    return all(item.get_closest_marker(mark) is None for mark in wrong)


def is_once(item: pytest.Item) -> bool:
    """Whether a second run on PostgreSQL would show nothing new."""
    is_marked = item.get_closest_marker("once") is not None
    return is_marked or item.nodeid.startswith(ONCE_FOLDERS)


@cache
def is_left_out(path: Path) -> bool:
    """Whether no test of the file is for the second run, as its text says."""
    name = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else ""
    if not (path.name.startswith("test_") and path.suffix == ".py"):
        return False
    return name.startswith(ONCE_FOLDERS) or any(
        LEFT_OUT.search(marks) for marks in MARKS.findall(path.read_text())
    )


def refuse_lost(items: Iterable[pytest.Item]) -> None:
    """Raises: UsageError for a test that the second run wants and would not find."""
    for item in items:
        if (
            is_left_out(item.path)
            and touches_database(item)
            and not is_once(item)
            and item.get_closest_marker("sqlite_only") is None
        ):
            raise pytest.UsageError(
                f"{item.nodeid}: PostgreSQL's run would not find it: its file's "
                "`pytestmark` names `once` or `sqlite_only`, and it has neither"
            )


def refuse_unsafe(item: pytest.Item) -> None:
    """Raises: UsageError for what can't work here, before it fails strangely."""
    names = set(getattr(item, "fixturenames", ()))
    marker = item.get_closest_marker("django_db")
    flushes = bool(names & FLUSHING) or (marker and marker.kwargs.get("transaction"))
    if flushes:
        raise pytest.UsageError(
            f"{item.nodeid}: flushing tables fails on an append-only ledger; "
            "use the fixture committed_db and an organization of the test's own"
        )
    if "committed_db" in names and ("db" in names or marker):
        raise pytest.UsageError(
            f"{item.nodeid}: db (one open transaction) and committed_db (real commits, "
            "live gateways) exclude each other"
        )


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where nothing may be missing, a skipped test is a failed one."""
    report = yield
    is_skip = report.skipped and not hasattr(report, "wasxfail")
    if is_skip and not requirements.may_skip():
        report.outcome = "failed"
        report.longrepr = f"skipped under REQUIRE_SERVICES=1: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a module that skips itself as a whole."""
    report = yield
    if report.skipped and not requirements.may_skip():
        report.outcome = "failed"
        report.longrepr = f"skipped under REQUIRE_SERVICES=1: {report.longrepr}"
    return report


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A run in which no test passed has shown nothing: it is no success."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    is_worker = hasattr(session.config, "workerinput")
    is_collecting = session.config.getoption("collectonly")
    if exitstatus or reporter is None or is_worker or is_collecting:
        return
    if not reporter.stats.get("passed") and not requirements.may_skip():
        session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED
