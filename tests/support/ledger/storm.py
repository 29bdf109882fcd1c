"""A process of a storm on the ledger: it waits, does as told, and tells what happened.

`python -m tests.support.ledger.storm` reads one JSON object per line, the name of a
scene and its arguments, and answers with one. The line is also the start signal:
processes that get theirs at the same moment start at the same moment. Once its first
call is made it says "underway"; one call waits for the next line, so that no storm
ends unseen.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import threading
import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import django

django.setup()

from django.db import connections  # noqa: E402

from billing import grants, holds  # noqa: E402
from billing.values import clock, errors  # noqa: E402
from billing.values.orders import (  # noqa: E402
    Doubt,
    Order,
    Place,
    R,
    Release,
    Settle,
    Usage,
)
from tests.support.ledger import planted  # noqa: E402

Told = dict[str, Any]


class Log:
    """What one process saw; all its threads write to it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_underway = threading.Event()
        self.admitted: list[str] = []
        self.refused = 0
        self.false_refusals: list[str] = []
        self.charged = 0
        self.granted = 0
        self.absorbed = 0
        self.errors: list[str] = []

    def add(self, **more: int) -> None:
        with self._lock:
            for name, amount in more.items():
                setattr(self, name, getattr(self, name) + amount)
        self._is_underway.set()

    def admit(self, hold_id: str) -> None:
        self.admitted.append(hold_id)
        self._is_underway.set()

    def error(self, error: BaseException) -> None:
        self.errors.append(repr(error))
        self._is_underway.set()

    def wait_until_underway(self) -> None:
        """Return when something has been logged."""
        self._is_underway.wait()

    def refusal(self, refusal: errors.InsufficientCredits) -> None:
        """Legitimate when less was available than required."""
        self.add(refused=1)
        if refusal.available_micros >= refusal.required_micros:
            self.false_refusals.append(str(refusal))

    def limited(
        self, refusal: errors.BudgetExceeded | errors.EnvelopeExhausted
    ) -> None:
        """Legitimate when there was less room than required."""
        self.add(refused=1)
        if isinstance(refusal, errors.BudgetExceeded):
            room = refusal.limit_micros - refusal.used_micros - refusal.held_micros
        else:
            room = refusal.left_micros
        if room >= refusal.required_micros:
            self.false_refusals.append(str(refusal))

    def as_dict(self) -> Told:
        return {name: value for name, value in vars(self).items() if name[0] != "_"}


def place_order(told: Told, amount: int) -> Place:
    return Place(
        hold_id=uuid.uuid4().hex,
        account_id=told["account"],
        spender_id=told["spender"],
        bound_micros=amount,
        operation="chat.completions",
        model="openai/gpt-4o",
        due_at=clock.now() + timedelta(minutes=10),
        # What its calls teach, they teach nobody else.
        shape=f"of {told['account']}",
    )


async def submit(log: Log, order: Order[R]) -> R | None:
    """The outcome; None for a refusal for want of credits, which is logged."""
    try:
        return await holds.submit(order)
    except errors.InsufficientCredits as refusal:
        log.refusal(refusal)
        return None


async def settle(log: Log, told: Told, hold_id: str, price: int) -> None:
    order = Settle(hold_id, told["account"], Usage("upstream", price, price))
    resolved = await submit(log, order)
    assert resolved is not None
    assert not resolved.repeat
    log.add(charged=resolved.charged_micros, absorbed=resolved.absorbed_micros)


async def in_thread(function: Callable[..., Any], *arguments: Any) -> Any:
    """Its connection goes back to the pool: there are more threads than it lends."""

    def call() -> Any:
        try:
            return function(*arguments)
        finally:
            connections.close_all()

    return await asyncio.to_thread(call)


async def only_hold(log: Log, told: Told) -> None:
    """One call that never ends."""
    await asyncio.sleep(told["chance"].random() * told["spread"])
    placed = await submit(log, place_order(told, told["amount"]))
    if placed is not None:
        log.admit(placed.hold_id)


async def call_until_nothing_is_left(log: Log, told: Told) -> None:
    """Calls one after another, at random prices; the last ones take what remains."""
    amount = told["amount"]
    while amount:
        order = place_order(told, amount)
        try:
            await holds.submit(order)
        except errors.CreditsOnHold as refusal:
            log.refusal(refusal)
            await asyncio.sleep(0.005)  # some of them will come back
        except errors.InsufficientCredits as refusal:
            log.refusal(refusal)
            amount = refusal.available_micros + refusal.held_micros
        else:
            log.admit(order.hold_id)
            await settle(log, told, order.hold_id, told["chance"].randint(1, amount))


async def call_within_limits(log: Log, told: Told) -> None:
    """Calls of several keys, at random prices, until not even the smallest has room."""
    chance, going = told["chance"], list(told["spenders"])
    vain = 0  # tries in a row: what others hold may come back
    while going and vain < told["patience"]:
        spender = chance.choice(going)
        amount = chance.randint(1, told["amount"]) if not vain else 1
        order = place_order({**told, "spender": spender}, amount)
        try:
            await holds.submit(order)
        except (errors.BudgetExceeded, errors.EnvelopeExhausted) as refusal:
            log.limited(refusal)
            if (
                isinstance(refusal, errors.BudgetExceeded)
                and amount == 1
                and (not refusal.is_free_soon)
            ):
                going.remove(spender)
                continue
            vain += 1
            await asyncio.sleep(0.002)
        else:
            vain = 0
            log.admit(order.hold_id)
            if chance.randrange(5):
                await settle(log, told, order.hold_id, chance.randint(1, amount))
            else:
                await submit(log, Release(order.hold_id, told["account"], "refused"))


async def anything(log: Log, told: Told) -> None:
    """Whatever can happen to a ledger, on one of several organizations."""
    for _ in range(told["steps"]):
        chosen = {**told, **told["chance"].choice(told["organizations"])}
        match told["chance"].randrange(12):
            case 0:
                amount = told["chance"].randint(1, 50)
                log.add(granted=await in_thread(issue, chosen, amount))
            case 1:
                await in_thread(sweep_at, 0)
                await in_thread(grants.expire_due)
            case _:
                await any_call(log, chosen)


async def any_call(log: Log, told: Told) -> None:
    amount = told["chance"].randint(0, 40)
    placed = await submit(log, place_order(told, amount))
    if placed is None:
        return
    log.admit(placed.hold_id)
    await asyncio.sleep(told["chance"].random() * 0.01)
    hold_id, account_id = placed.hold_id, told["account"]
    match told["chance"].randrange(6):
        case 0:
            await submit(log, Release(hold_id, account_id, "upstream_refused"))
        case 1:
            await submit(log, Doubt(hold_id, account_id, "upstream_lost"))
        case _:
            await settle(log, told, hold_id, told["chance"].randint(0, amount * 3))


def issue(told: Told, amount: int) -> int:
    """How much was granted."""
    expires_at = told["chance"].choice([None, clock.now() + timedelta(seconds=0.2)])
    try:
        grants.issue(
            told["account"],
            amount,
            source=told["chance"].choice(["purchase", "promotion"]),
            reference=f"storm:{uuid.uuid4()}",
            expires_at=expires_at,
        )
    except ValueError:
        # It waited for the account until it would have expired: that is refused.
        if expires_at is None or clock.now() < expires_at:
            raise
        return 0
    return amount


async def resolve_the_same(log: Log, told: Told) -> None:
    """Each of these holds, as everybody else does too."""
    for hold_id in told["chance"].sample(told["holds"], len(told["holds"])):
        order = Settle(hold_id, told["account"], Usage("upstream", told["price"]))
        resolved = await submit(log, order)
        assert resolved is not None
        log.add(charged=resolved.charged_micros)
        if not resolved.repeat:
            log.admit(hold_id)


async def sweep(log: Log, told: Told) -> None:
    swept = await in_thread(sweep_at, told["seconds"])
    log.add(charged=swept["doubted"], absorbed=swept["closed"])


def sweep_at(seconds: int) -> dict[str, int]:
    return holds.sweep(in_doubt_after=timedelta(seconds=seconds))


SCENES: dict[str, Callable[[Log, Told], Awaitable[None]]] = {
    each.__name__: each
    for each in (
        only_hold,
        call_until_nothing_is_left,
        call_within_limits,
        anything,
        resolve_the_same,
        sweep,
    )
}


def perform(told: Told, say: Callable[[str], None], hear: Callable[[], str]) -> Told:
    """The scene in some threads, each with an event loop of some tasks."""
    log = Log()
    scene = SCENES[told["scene"]]
    told = {**told, "chance": random.Random(told["seed"])}
    may_end = threading.Event()

    async def act(*, waits: bool) -> None:
        try:
            if waits:
                await asyncio.to_thread(may_end.wait)
            await scene(log, told)
        except BaseException as error:  # noqa: BLE001  it is reported
            log.error(error)

    async def act_all(*, one_waits: bool) -> None:
        numbers = range(told["tasks"])
        await asyncio.gather(*(act(waits=one_waits and not n) for n in numbers))

    threads = [
        threading.Thread(target=asyncio.run, args=[act_all(one_waits=not number)])
        for number in range(told["threads"])
    ]
    for thread in threads:
        thread.start()
    log.wait_until_underway()
    say("underway")
    hear()
    may_end.set()
    for thread in threads:
        thread.join()
    return log.as_dict()


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    planted.pytest_sessionstart()  # a bug that is tried out is everywhere
    say("ready")
    while line := sys.stdin.readline():
        say(json.dumps(perform(json.loads(line), say, sys.stdin.readline)))


if __name__ == "__main__":
    main()
