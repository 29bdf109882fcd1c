"""Checks of the layers above: what their tables say of money is verified with the
ledger. They register them when Django starts (`AppConfig.ready`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple


class Wrong(NamedTuple):
    """A code, and what has it."""

    code: str
    detail: str


Check = Callable[[], Iterator[Wrong]]

passes: dict[str, str] = {}
checks: list[Check] = []


def register(more_passes: Mapping[str, str], *more_checks: Check) -> None:
    """Queries by their codes, as in `passes`; and what needs more than a query. Each
    runs in the verification's own snapshot."""
    passes.update(more_passes)
    checks.extend(check for check in more_checks if check not in checks)
