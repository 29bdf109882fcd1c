"""A second database, of the tests that roll back (`db`): nothing is ever committed in
it, so they find it empty, whatever the tests of the same process that commit have left.

Which tests a process gets, and in which order, is chance: who has nothing left takes
them from the others. The hook below changes the one process's connection before a test
of the other kind; other processes know the first database only (`DATABASE_URL`).
"""

from __future__ import annotations

from pathlib import Path

import pytest
from django.db import connections

from tests.support.services import database, selection

SUFFIX = "_rolled_back"


class Names:
    """Of both databases, once they are made; and of which the next test shall have."""

    committed = ""
    rolled_back = ""
    is_rolled_back = False


def make() -> None:
    """Copy the template that `database.create` has left, and give the test its own."""
    Names.committed = str(connections.settings["default"]["NAME"])
    Names.rolled_back = f"{Names.committed}{SUFFIX}"
    if connections["default"].vendor == "postgresql":
        database.copy_in_postgres(database.TEMPLATE, Names.rolled_back)
    else:
        database.copy_template(Path(Names.rolled_back))
    change()


def change() -> None:
    """Connect to the database that is wanted, unless that is the case.

    Raises: UsageError while a file's fixture has a transaction open on the other one.
    """
    wanted = Names.rolled_back if Names.is_rolled_back else Names.committed
    default = connections["default"]
    if default.settings_dict["NAME"] == wanted:
        return
    if default.in_atomic_block:
        raise pytest.UsageError(
            "a fixture of this file has a transaction open: its tests that commit "
            "belong into another file"
        )
    database.disconnect()
    default.settings_dict["NAME"] = wanted


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if selection.touches_database(item):
        Names.is_rolled_back = not selection.commits(item)
        if Names.committed:
            change()
