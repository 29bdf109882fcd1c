"""What a command lists, for people and for programs."""

from __future__ import annotations

import json
from typing import Any


def listing(rows: list[dict[str, Any]], *, is_json: bool, none: str) -> str:
    """JSON, or a table with the rows' names above it; `none` says that there are no
    rows."""
    if is_json:
        return json.dumps(rows)
    if not rows:
        return none
    table = [list(rows[0]), *([str(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in table)
