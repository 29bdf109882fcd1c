"""What happens between two statements of the portal: something else, or a failure."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from django.db import connection


def failing(part: str, error: Exception) -> AbstractContextManager[None]:
    """Each SQL statement with `part` in it fails with `error`, unexecuted."""

    def fail(execute: Any, sql: str, *rest: Any) -> Any:
        if part in sql:
            raise error
        return execute(sql, *rest)

    return connection.execute_wrapper(fail)


def after_first(part: str, act: Callable[[], object]) -> AbstractContextManager[None]:
    """Right after the first statement with `part` in it, `act` happens, once."""
    happened = False

    def watch(execute: Any, sql: str, *rest: Any) -> Any:
        nonlocal happened
        result = execute(sql, *rest)
        if part in sql and not happened:
            happened = True
            act()
        return result

    return connection.execute_wrapper(watch)
