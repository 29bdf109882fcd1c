"""What each page costs over a large and a small organization, as a table."""

from __future__ import annotations

import argparse
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.test import Client

from billing import usage_days
from tests.pages import house, measure, routes
from tests.pages.house import House
from tests.pages.measure import Cost

Both = tuple[Cost, int]  # over the large one, and the queries over the small one


def found_or_built(name: str, **sizes: Any) -> House:
    """Built once in each database: with `--dir`, SQLite's is found again."""
    kept = Path(settings.VAR_DIR) / f"{connection.vendor}-{name}.pickle"
    if kept.exists():
        return pickle.loads(kept.read_bytes())  # type: ignore[no-any-return]  # noqa: S301
    call_command("migrate", verbosity=0)
    built = house.build(name, **sizes)
    usage_days.add_due(seconds=3600)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    kept.write_bytes(pickle.dumps(built))
    return built


def costs(large: House, small: House, options: argparse.Namespace) -> Iterator[Both]:
    few, many = Client(), Client()
    few.force_login(small.owner)
    many.force_login(large.owner)
    of_small = routes.pages(small, few)
    for name, url in routes.pages(large, many).items():
        if options.page in name:
            cost = measure.cost(many, name, url, times=options.requests)
            yield cost, len(measure.queries(few, of_small[name]))


def tell(
    found: Iterator[Both],
    limit_ms: int,
    say: Callable[[str], None],
    *,
    has_statements: bool,
) -> int:
    """1 when a page is too slow, or asks more of the large one."""
    heads = f"{'p50 ms':>8}{'p95 ms':>8}{'cpu ms':>8}{'queries':>9}{'small':>7}"
    say(f"{'page':<50}{heads}{'bytes':>9}")
    is_wrong = False
    for cost, few in found:
        times = f"{cost.p50_ms:>8}{cost.p95_ms:>8}{cost.cpu_ms:>8}"
        figures = f"{times}{cost.queries:>9}{few:>7}"
        wrong = ""
        if cost.p95_ms > limit_ms:
            wrong = "  too slow"
        if cost.queries > few:
            wrong += "  more queries"
        say(f"{cost.name:<50}{figures}{cost.bytes:>9}{wrong}")
        if has_statements or wrong:
            say(f"    {cost.slowest}")
        is_wrong |= bool(wrong)
    return int(is_wrong)
