"""`python -m tests.bench.hot_organization`: holds and settlements a second when all
calls are one organization's, whose account's row everything waits for. `DATABASE_URL`
names an empty database.

Each process is the ledger's part of a gateway: callers beside each other that place a
hold and settle it, again and again, through the process's one writer.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import sys
import time
import uuid
from datetime import timedelta
from typing import Any

import django

django.setup()

from django.core.management import call_command  # noqa: E402

from billing import accounts, grants, holds, spenders  # noqa: E402
from billing.values import clock  # noqa: E402
from billing.values.orders import CREDIT, Place, Placed, Settle, Usage  # noqa: E402
from portal.runtime.server import forget_connections  # noqa: E402

WARM_SECONDS = 2


async def calls(key: tuple[int, int], until: float) -> int:
    """How many one caller made, the warm-up left out."""
    account_id, spender_id = key
    done, counted_from = 0, time.monotonic() + WARM_SECONDS
    while time.monotonic() < until:
        order = Place(
            hold_id=uuid.uuid4().hex,
            account_id=account_id,
            spender_id=spender_id,
            bound_micros=2 * CREDIT,
            operation="chat.completions",
            model="openai/gpt-4o",
            due_at=clock.now() + timedelta(hours=1),
        )
        placed = await holds.submit(order)
        assert isinstance(placed, Placed), placed
        usage = Usage("upstream", CREDIT, CREDIT)
        await holds.submit(Settle(order.hold_id, account_id, usage))
        done += time.monotonic() > counted_from
    return done


def process(
    key: tuple[int, int], callers: int, seconds: float, ready: Any, done: Any
) -> None:
    ready.wait()

    async def all_callers() -> int:
        until = time.monotonic() + WARM_SECONDS + seconds
        return sum(await asyncio.gather(*(calls(key, until) for _ in range(callers))))

    done.put(asyncio.run(all_callers()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--callers", type=int, default=32, help="of each process")
    parser.add_argument("--seconds", type=float, default=5)
    options = parser.parse_args()
    call_command("migrate", verbosity=0)
    account = accounts.open_organization("hot")
    grants.issue(account.id, 10**14, source="purchase", reference="hot:first")
    key = (account.id, spenders.open_spender(account.id, "hot").id)
    forget_connections()  # the processes are copies of this one
    context = multiprocessing.get_context("fork")
    ready, done = context.Barrier(options.processes), context.Queue()
    arguments = (key, options.callers, options.seconds, ready, done)
    started = [
        context.Process(target=process, args=arguments)
        for _ in range(options.processes)
    ]
    for each in started:
        each.start()
    counted = sum(done.get(timeout=options.seconds + 60) for _ in started)
    for each in started:
        each.join()
    rate = counted / options.seconds
    sys.stdout.write(
        f"{rate:,.0f} holds and as many settlements a second: {options.processes} "
        f"processes, {options.callers} callers each, one organization\n"
    )


if __name__ == "__main__":
    main()
