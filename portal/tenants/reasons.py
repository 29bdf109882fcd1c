"""Why somebody decided so: kept in the audit trail and shown in lists."""

from __future__ import annotations

LENGTH_MAX = 500


def clean(
    reason: str, refused: type[Exception], *, length_max: int = LENGTH_MAX
) -> str:
    """The reason without space around it. Raises: `refused`."""
    # It goes into JSON, where PostgreSQL refuses a NUL, and onto one line of a list.
    if not reason.strip() or len(reason) > length_max or not reason.isprintable():
        raise refused(
            f"Give a reason of 1 to {length_max} printable characters: it goes into "
            "the audit trail. Nothing was changed."
        )
    return reason.strip()
