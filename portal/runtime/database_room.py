"""Whether PostgreSQL lets in as many connections as our processes may open.

One too few is no disaster (who gets none is told so, 503), but it comes at the busiest
hour, and then nobody thinks of `max_connections`: so it is said at each start.
"""

from __future__ import annotations

from django.conf import settings
from django.db import connection

# For an operator's own: psql, a backup, a command of manage.py.
SPARE = 3
# Besides the web processes: the pages' and one worker.
OTHER_PROCESSES = 2


def complaint() -> str:
    """What does not fit and its cure in one sentence, or nothing.

    Raises: DatabaseError.
    """
    if connection.vendor != "postgresql":
        return ""
    there_are, cure = _room()
    processes = settings.WEB_CONCURRENCY + OTHER_PROCESSES
    pool_max = connection.settings_dict["OPTIONS"]["pool"]["max_size"]
    wanted = processes * pool_max + SPARE
    if wanted <= there_are:
        return ""
    fits = max(1, (there_are - SPARE) // processes)
    return (
        f"PostgreSQL lets in {there_are} connections, {processes} processes here may "
        f"open {wanted - SPARE}: whoever gets none is answered 503. Set "
        f"DATABASE_POOL_MAX={fits}, or {cure} by {wanted - there_are} or more."
    )


def _room() -> tuple[int, str]:
    """How many connections there are for us in all, and how to get more."""
    with connection.cursor() as cursor:
        cursor.execute(LIMITS)
        server, role, database = cursor.fetchone()
    cures = {
        "raise max_connections": server,
        "raise the role's CONNECTION LIMIT": role,
        "raise the database's CONNECTION LIMIT": database,
    }
    limited = {cure: most for cure, most in cures.items() if most >= 0}
    cure = min(limited, key=lambda each: limited[each])
    return limited[cure], cure


# Those of a superuser are not limited by role or database; -1: not limited.
LIMITS = """
SELECT current_setting('max_connections')::int
       - current_setting('superuser_reserved_connections')::int
       - coalesce(current_setting('reserved_connections', true)::int, 0),
       CASE WHEN r.rolsuper THEN -1 ELSE r.rolconnlimit END,
       CASE WHEN r.rolsuper THEN -1 ELSE d.datconnlimit END
FROM pg_roles r, pg_database d
WHERE r.rolname = current_user AND d.datname = current_database()
"""
