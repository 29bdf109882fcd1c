"""How a call's orders reach the ledger, even one that is away just now.

placed, or nobody knows → the withdrawal is spooled, and the call is not made.
ended → asked at once → asked again for three seconds → spooled, and booked later.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from billing import holds
from billing.models.hold import HoldState
from billing.reports.calls import charge_of
from billing.values import errors
from billing.values.amounts import price_of
from billing.values.orders import (
    Doubt,
    Place,
    Placed,
    Release,
    Resolution,
    Resolved,
    Settle,
    Withdraw,
)
from proxy.process.background import BackgroundTasks
from proxy.process.database import read

logger = logging.getLogger(__name__)

# Withdrawals of holds whose call was given up while they were placed.
withdrawing = BackgroundTasks()


@dataclass(frozen=True, slots=True)
class CallEnd:
    """How a call ended, as its reply tells it; amounts in microcredits."""

    state: str  # of the hold
    charged_micros: int
    available_micros: int  # what a new call may use now


@dataclass(frozen=True, slots=True)
class LedgerAccess:
    """Where a call's orders go, and how long one that ends a hold is sent again while
    nobody answers. Then it is spooled, and the client gets its answer; also when a
    ledger that takes its time has not answered after `longest_seconds`."""

    submit: Callable[[Any], Awaitable[Any]] = holds.submit
    pause_seconds: float = 0.2
    patience_seconds: float = 3
    longest_seconds: float = 10

    async def place(self, order: Place) -> Placed:
        """Set a call's credits aside. When this fails there is no hold, or soon there
        is none any more: the call must not be made.

        Raises: the refusal, LedgerUnavailable.
        """
        try:
            placed: Placed = await self.submit(order)
            return placed
        except errors.NothingWritten:
            raise
        except errors.LedgerUnavailable:
            await _withdraw(order)
            raise
        except asyncio.CancelledError:
            # It is carried out all the same, and its withdrawal after it.
            withdraw = Withdraw(order.hold_id, order.account_id)
            withdrawing.start(self._taken(withdraw))
            raise

    async def resolve(self, order: Resolution, placed: Placed) -> CallEnd:
        """End a hold; how the call ended, or will have when the order waits in the
        spool.

        Raises: LedgerUnavailable when neither database nor disk takes it.
        """
        resolved = await self._taken(order)
        if resolved is None:
            return _expected(order, placed)
        charged = resolved.charged_micros
        if resolved.repeat and resolved.state == HoldState.SETTLED:
            # The first commit was done and its answer lost, or somebody else was
            # faster. The charge is only shown, so it may stay unknown.
            with contextlib.suppress(errors.LedgerUnavailable):
                found, _ = await read(lambda: charge_of(UUID(order.hold_id)))
                charged = found or 0
        return CallEnd(resolved.state, charged, resolved.available_micros)

    async def _taken(self, order: Resolution) -> Resolved | None:
        try:
            async with asyncio.timeout(self.longest_seconds):
                return await self._answer(order)
        except TimeoutError:
            # An attempt that is still under way may succeed after all: whichever
            # comes second is a repeat, and changes nothing.
            await _spool(order)
            return None

    async def _answer(self, order: Resolution) -> Resolved:
        """Raises: TimeoutError when nobody answers."""
        outcome: Resolved
        with contextlib.suppress(errors.LedgerUnavailable):
            outcome = await self.submit(order)
            return outcome
        async with asyncio.timeout(self.patience_seconds):
            while True:
                await asyncio.sleep(self.pause_seconds)
                with contextlib.suppress(errors.LedgerUnavailable):
                    outcome = await self.submit(order)
                    return outcome


LEDGER = LedgerAccess()


async def _withdraw(order: Place) -> None:
    """Nobody knows whether the hold was placed: whoever replays the spool gives it
    back if it was."""
    # The spool says why in its log, and the hold falls due by itself.
    with contextlib.suppress(errors.LedgerUnavailable):
        await _spool(Withdraw(order.hold_id, order.account_id))


async def _spool(order: Resolution) -> None:
    """Raises: LedgerUnavailable when the disk does not take it."""
    try:
        await asyncio.to_thread(holds.spool, order)
    except OSError as error:
        logger.error("could not resolve the hold of req_%s", order.hold_id)
        raise errors.LedgerUnavailable(str(error)) from error
    kind = "withdrawal" if isinstance(order, Withdraw) else "settlement"
    logger.warning("the %s of req_%s waits in the spool", kind, order.hold_id)


def _expected(order: Resolution, placed: Placed) -> CallEnd:
    """As the ledger will write a spooled order, as far as this call knows."""
    held, available = placed.held_micros, placed.available_micros
    match order:
        case Settle(usage=usage):
            price = price_of(usage.cost_micros, placed.price_factor_ppm)
            return CallEnd(HoldState.SETTLED, price, max(0, available + held - price))
        case Release() | Withdraw():
            return CallEnd(HoldState.RELEASED, 0, available + held)
        case Doubt():  # it keeps the hold
            return CallEnd(HoldState.IN_DOUBT, 0, available)
