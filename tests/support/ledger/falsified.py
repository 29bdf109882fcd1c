"""What a falsification is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """One falsified row. `companions` are the codes that it can't do without."""

    code: str
    sql: str
    companions: frozenset[str] = frozenset()


def case(code: str, sql: str, *companions: str) -> Case:
    return Case(code, sql, frozenset(companions))
