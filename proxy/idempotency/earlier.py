"""What a repeat gets of earlier attempts at its request: an answer, or to be made.

    surely cost nothing          it is made
    under the same key           it gets that one's answer
    a retry, that one is lost    it joins it: that one's answer is now this one's
    a retry, that one is not     it is made beside it: that was another's, or answered

An attempt is lost when its client left before the answer was out, or when the process
that the client was at died. That process says so by itself; where it has said nothing
it is asked. Who joins an attempt takes the place of its client, and may be lost again.
"""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from functools import partial
from uuid import UUID

from billing import attempts as ledger
from billing import leases
from billing.attempts import Earlier, Process
from billing.models.hold import HoldState
from billing.values.amounts import credits_text
from portal.tenants.keys import Identity
from proxy.http import refusals
from proxy.idempotency import stored_replies
from proxy.idempotency.attempts import Attempt, Reply, attempts
from proxy.process.database import read, write
from proxy.process.heard import heard
from proxy.process.lease import process_lease

LOOK_SECONDS = 0.1
RUNNING_LOOK_SECONDS = 0.25
# A living process answers sooner.
ANSWER_SECONDS = 3
# From a charge to the reply that is told of it, at most.
MADE_WITHIN = timedelta(seconds=1)
# Those of this process that look again and again.
LOOKING_MAX = 32


class Search:
    """One repeat's search for the attempt that it repeats."""

    looking = 0  # of this process

    def __init__(self, attempt: Attempt, identity: Identity) -> None:
        self._attempt, self._identity = attempt, identity
        # By attempt, client and lease: the question's number (None: nobody is left to
        # ask), and when. What was answered before a client came says nothing of it.
        self._asked: dict[tuple[str, UUID | None, UUID], tuple[int | None, float]] = {}
        # Whose process has written all replies that it had.
        self._said: set[str] = set()
        self._pause = LOOK_SECONDS

    async def answer(self, hold_ids: frozenset[str]) -> Reply | None:
        """The answer of one of these attempts; None to make the call, beside the ones
        that the attempt now says.

        Raises: GatewayError (400, 409, 422), LedgerUnavailable.
        """
        while True:
            found = await read(lambda: ledger.look(hold_ids))
            found = [each for each in found if not each.is_nothing]
            chosen = await self._choose(found)
            if chosen is not None and (reply := await self._reply_of(chosen)):
                return reply
            if chosen is None and not self._is_undecided(found):
                self._attempt.joined = ""
                return None
            await self._wait()

    def _is_undecided(self, found: list[Earlier]) -> bool:
        return any(each.hold_id not in self._attempt.besides for each in found)

    async def _wait(self) -> None:
        """Until it is worth looking again. Raises: GatewayError (400, 409)."""
        if self._attempt.is_lost:
            raise refusals.client_gone()
        if self._attempt.seconds_left <= 0 or Search.looking >= LOOKING_MAX:
            raise refusals.request_in_progress()
        Search.looking += 1
        try:
            await asyncio.sleep(self._pause)
        finally:
            Search.looking -= 1

    # --- which one it repeats ---

    async def _choose(self, found: list[Earlier]) -> Earlier | None:
        """The one whose answer it gets. None: there is none, or it is not known yet.

        Of several it is one with the most retries before it: the others may be all that
        a retry with fewer can have. While that one is not known, none of the others.
        """
        attempt, least_retries = self._attempt, 0
        if attempt.mark.key:
            if any(each.content != attempt.fingerprint.content for each in found):
                raise refusals.idempotency_mismatch()
            return found[0] if found else None
        for each in found:
            if each.hold_id == attempt.joined:
                return each
        for each in found:
            if each.hold_id in attempt.besides:
                continue
            is_lost = await self._is_lost(each)
            if is_lost is None:
                least_retries = max(least_retries, each.retry_count)
            elif is_lost is False:
                attempt.besides |= {each.hold_id}
            elif each.retry_count >= least_retries and await self._join(each):
                return each
        return None

    async def _join(self, each: Earlier) -> bool:
        by, at = self._attempt.hold_id, process_lease.id
        if not await write(lambda: ledger.join(each, by=by, lease_id=at)):
            return False
        self._attempt.join(each.hold_id)
        return True

    async def _is_lost(self, each: Earlier) -> bool | None:
        """Whether the client whose answer it is has gone without it; None: not known
        yet. Raises: GatewayError (409)."""
        if each.is_lost:
            return True
        if each.client_at is None:
            return False
        is_alive = await self._has_said_all(each, each.client_at)
        return None if is_alive is None else not is_alive

    async def _has_said_all(self, each: Earlier, process: Process) -> bool | None:
        """Whether that process has written all it knew; None while it is asked, False
        if it died before.

        Raises: GatewayError (409) when it is alive and does not answer.
        """
        asked = each.hold_id, each.joined_by, process.lease_id
        if process.until is None:
            return True
        if asked not in self._asked:
            number = await write(partial(leases.ask, process.lease_id))
            self._asked[asked] = number, time.monotonic()
            heard.look()  # it may be this very process
            return None
        number, asked_at = self._asked[asked]
        if number is None or process.answered >= number:
            return True
        if time.monotonic() - asked_at < ANSWER_SECONDS:
            return None
        if process.until < each.seen_at:
            return False
        raise refusals.request_in_progress()

    # --- what that one ended with ---

    async def _reply_of(self, each: Earlier) -> Reply | None:
        """Its answer; None while there is none yet, or when the next look tells more.

        Raises: GatewayError (409), LedgerUnavailable.
        """
        kept, hold_id = self._identity.stores_replies, each.hold_id
        if running := attempts.find(hold_id):
            try:
                reply = await running.wait(max(0.0, self._attempt.seconds_left))
            except TimeoutError:
                raise refusals.request_in_progress() from None
            if reply is not None:
                return reply
            return None
        if kept and (stored := await read(partial(stored_replies.find, hold_id))):
            return stored
        if each.is_in_doubt:
            raise refusals.earlier_in_doubt(request_id=f"req_{hold_id}")
        if each.is_job and each.state == HoldState.OPEN:  # it may run for hours
            raise refusals.request_in_progress()
        if each.state == HoldState.OPEN:
            self._pause = RUNNING_LOOK_SECONDS
            return None
        if kept and await self._may_come(each):
            return None
        raise refusals.already_completed(
            request_id=f"req_{hold_id}",
            charged_credits=credits_text(each.charged_micros or 0),
        )

    async def _may_come(self, each: Earlier) -> bool:
        """Whether a settled call's reply may still be on its way into the table.
        Raises: GatewayError (409)."""
        assert each.settled_at is not None
        if each.seen_at < each.settled_at + MADE_WITHIN:
            return True
        if each.maker is None or each.hold_id in self._said:
            return False
        if await self._has_said_all(each, each.maker) is None:
            return True
        self._said.add(each.hold_id)
        return True  # once more: what it wrote before it said so
