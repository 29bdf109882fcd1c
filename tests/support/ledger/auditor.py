"""The rules of money once more, written independently and plainly, to check the ledger.

It shares no code with `billing`: one list of credits per organization, no transactions,
no batches, no SQL. What it predicts, the ledger must answer and store.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import ceil
from typing import Any, TypeAlias

from tests.support.ledger.auditor_corrections import Corrections

Answer: TypeAlias = tuple[Any, ...]
FOREVER = datetime.max.replace(tzinfo=UTC)


def at_factor(micros: int, factor_ppm: int) -> int:
    return ceil(Fraction(micros) * Fraction(factor_ppm, 1_000_000))


def size_of(bound: int) -> int:
    return next(size for size in range(40) if bound < 4 ** (size + 1))


@dataclass
class Lot:
    """Credits of one grant."""

    number: int
    left: int
    priority: int
    is_promotion: bool
    expires_at: datetime | None
    held: int = 0
    amount: int = 0
    gone: int = 0  # lapsed, or taken back

    def __post_init__(self) -> None:
        self.amount = self.left

    def usable(self, now: datetime) -> bool:
        return self.expires_at is None or now < self.expires_at

    def burns_before(self) -> tuple[Any, ...]:
        expiry = self.expires_at or FOREVER
        return self.priority, expiry, not self.is_promotion, self.number


@dataclass
class Call:
    """A hold and what became of it."""

    hold_id: str
    organization: str
    spender: int
    amount: int
    factor: int
    due_at: datetime
    lease: str | None
    parts: list[tuple[Lot, int]]
    bound: int
    is_guess: bool  # nobody knows what a call of its size costs
    state: str = "open"
    doubted_at: datetime | None = None
    is_thought_dead: bool = False  # doubted by a sweep
    charged: int = 0
    borne: int = 0
    is_refunded: bool = False
    refunded: int = 0
    paid: Counter[int] = field(default_factory=Counter)  # lot's number → micros
    # Prices that were said of it (None: that it lives), and what became of late ones.
    said: set[int | None] = field(default_factory=set)
    words: dict[int | None, str] = field(default_factory=dict)

    @property
    def is_unresolved(self) -> bool:
        return self.state in ("open", "in_doubt")

    def hear(self, price: int | None) -> None:
        """After its end."""
        if price not in self.said:
            self.said.add(price)
            self.words[price] = "pending"

    def add_part(self, lot: Lot, more: int) -> None:
        """A lot keeps the place at which it was first used."""
        for place, (known, part) in enumerate(self.parts):
            if known is lot:
                self.parts[place] = (lot, part + more)
                return
        self.parts.append((lot, more))


@dataclass
class Organization:
    """One customer."""

    spenders: dict[int, bool]  # open?
    factor: int
    is_open: bool = True
    lots: list[Lot] = field(default_factory=list)
    consumed: int = 0
    lessons: dict[int, tuple[Fraction, int]] = field(default_factory=dict)
    owed: int = 0

    def most(self, bound: int) -> int:
        """What a call with this bound may cost, as others of its size and of smaller
        and larger ones did."""
        known = [bound]
        for size, (factor, _) in self.lessons.items():
            part = min(max(bound, 1), 4 ** (size + 1))
            known.append(max(bound, 1) - part + ceil(part * factor))
        return max(known)

    def learn(self, bound: int, cost: int, *, is_over: bool) -> None:
        """`is_over`: more than was held for the call."""
        base, size = max(bound, 1), size_of(bound)
        factor, count = self.lessons.get(size, (Fraction(1), 0))
        is_news = is_over and cost > self.most(bound)
        if is_news and count:
            cost += cost // 4
        factor = max(factor, Fraction(cost, base))
        self.lessons[size] = (factor, count + is_news)

    def available(self, now: datetime) -> int:
        return sum(lot.left - lot.held for lot in self.lots if lot.usable(now))

    def balance(self) -> int:
        return sum(lot.left for lot in self.lots)

    def held(self) -> int:
        return sum(lot.held for lot in self.lots)

    def take_free(self, amount: int, now: datetime) -> list[tuple[Lot, int]]:
        """Free credits for `amount`, as far as they go, in burn order."""
        parts = []
        for lot in sorted(self.lots, key=Lot.burns_before):
            part = min(amount, lot.left - lot.held) if lot.usable(now) else 0
            if part > 0:
                parts.append((lot, part))
                amount -= part
        return parts


@dataclass
class Auditor(Corrections):
    """Everything there is; `now` is moved by whoever moves the ledger's clock."""

    now: datetime
    organizations: dict[str, Organization] = field(default_factory=dict)
    calls: dict[str, Call] = field(default_factory=dict)
    references: dict[str, Answer] = field(default_factory=dict)
    leases: dict[str, datetime] = field(default_factory=dict)
    issued: int = 0
    absorbed: int = 0
    expired: int = 0
    usage: Counter[str] = field(default_factory=Counter)  # organization → records

    # --- grants ----------------------------------------------------------------

    def grant(self, name: str, reference: str, number: int, terms: Answer) -> Answer:
        """`terms`: amount, priority, source, expiry."""
        if reference in self.references:
            earlier = self.references[reference]
            same = earlier[1:] == (name, terms)
            return ("granted", earlier[0]) if same else ("conflict",)
        amount, priority, source, expires_at = terms
        if expires_at is not None and expires_at <= self.now:
            return ("refused",)
        self.issued += amount
        is_promotion = source in ("promotion", "trial")
        lot = Lot(number, amount, priority, is_promotion, expires_at)
        self.organizations[name].lots.append(lot)
        self.references[reference] = (number, name, terms)
        self.pay_debt(name)
        return ("granted", number)

    def expire_due(self) -> int:
        lapsed = 0
        for organization in self.organizations.values():
            for lot in organization.lots:
                if not lot.usable(self.now) and lot.left > lot.held:
                    self.expired += lot.left - lot.held
                    lot.gone += lot.left - lot.held
                    lot.left = lot.held
                    lapsed += 1
        return lapsed

    # --- calls -----------------------------------------------------------------

    def place(
        self,
        name: str,
        spender: int,
        hold_id: str,
        bound: int,
        due_at: datetime,
        lease: str | None,
    ) -> Answer:
        organization = self.organizations[name]
        if call := self.calls.get(hold_id):
            if (call.organization, call.spender) != (name, spender):
                return ("HoldExists",)
            available = organization.available(self.now)
            return ("placed", call.amount, available, call.factor, True)
        if not organization.is_open:
            return ("AccountClosed",)
        if not organization.spenders.get(spender, False):
            return ("SpenderClosed",)
        if organization.owed:
            return ("DebtUnpaid",)
        most = organization.most(bound)
        amount = at_factor(most, organization.factor)
        available = organization.available(self.now)
        if amount > available:
            return self._too_little(organization, amount, available)
        parts = organization.take_free(amount, self.now)
        for lot, part in parts:
            lot.held += part
        is_guess = most > bound and size_of(bound) not in organization.lessons
        call = Call(
            *(hold_id, name, spender, amount, organization.factor, due_at, lease),
            *(parts, bound, is_guess),
        )
        self.calls[hold_id] = call
        return ("placed", amount, available - amount, organization.factor, False)

    def _too_little(
        self, organization: Organization, amount: int, available: int
    ) -> Answer:
        usable = [lot for lot in organization.lots if lot.usable(self.now)]
        soon_enough = sum(lot.left for lot in usable) >= amount
        name = "CreditsOnHold" if soon_enough else "InsufficientCredits"
        return (name, amount, available, organization.held())

    def entrust(self, name: str, hold_id: str, bound: int, due_at: datetime) -> Answer:
        call = self.calls.get(hold_id)
        if call is None or call.organization != name:
            return ("UnknownHold",)
        organization = self.organizations[name]
        if not call.is_unresolved:
            if call.state == "released" and not call.said - {0}:
                call.hear(None)
            available = organization.available(self.now)
            return ("entrusted", call.amount, available, True)
        call.state, call.doubted_at = "open", None
        call.lease = None
        call.due_at = max(call.due_at, due_at)
        more = at_factor(bound, call.factor) - call.amount
        if more > 0 and bound > call.bound:
            organization.learn(call.bound, bound, is_over=True)
        else:
            more = 0
        if 0 < more <= organization.available(self.now):
            for lot, part in organization.take_free(more, self.now):
                lot.held += part
                call.add_part(lot, part)
            call.amount += more
        return ("entrusted", call.amount, organization.available(self.now), False)

    def settle(self, name: str, hold_id: str, price: int) -> Answer:
        call = self.calls.get(hold_id)
        if call is None or call.organization != name:
            return ("UnknownHold",)
        cost, price = price, at_factor(price, call.factor)
        if not call.is_unresolved:
            call.hear(price)
            return self._ended(call, repeat=True)
        organization = self.organizations[name]
        if price > call.amount or call.is_guess:
            is_over = price > call.amount
            organization.learn(call.bound, cost, is_over=is_over)
        call.charged = price - self._return_parts(call, price)
        self.organizations[name].consumed += call.charged
        self._take_more(call, price - call.charged)
        self.usage[name] += 1
        call.state, call.said = "settled", {price}
        return self._ended(call, charged=call.charged, absorbed=call.borne)

    def _take_more(self, call: Call, missing: int) -> None:
        """From what is available; the rest is the operator's."""
        organization = self.organizations[call.organization]
        organization.consumed += missing
        for lot, part in organization.take_free(missing, self.now):
            lot.left -= part
            call.paid[lot.number] += part
            call.charged += part
            missing -= part
        self.absorbed += missing
        call.borne += missing

    def release(self, name: str, hold_id: str, *, is_listed: bool = False) -> Answer:
        call = self.calls.get(hold_id)
        if call is None or call.organization != name:
            return ("UnknownHold",)
        if not call.is_unresolved:
            if not is_listed:
                call.hear(0)
            return self._ended(call, repeat=True)
        self._return_parts(call, 0)
        self.usage[name] += is_listed
        call.state, call.said = "released", {0}
        return self._ended(call)

    def doubt(self, name: str, hold_id: str) -> Answer:
        call = self.calls.get(hold_id)
        if call is None or call.organization != name:
            return ("UnknownHold",)
        if call.state != "open":
            return self._ended(call, repeat=True)
        call.state, call.doubted_at = "in_doubt", self.now
        return self._ended(call)

    def sweep(self, in_doubt_after: timedelta) -> dict[str, int]:
        doubted = [call for call in self.calls.values() if self._is_due(call)]
        for call in doubted:
            self.doubt(call.organization, call.hold_id)
            call.is_thought_dead = True
        closed = [
            call
            for call in self.calls.values()
            if call.state == "in_doubt"
            and call.doubted_at is not None
            and call.doubted_at + in_doubt_after <= self.now
            and not self._is_left_alone(call)
        ]
        for call in closed:
            self.release(call.organization, call.hold_id, is_listed=True)
        return {"doubted": len(doubted), "closed": len(closed)}

    def _is_left_alone(self, call: Call) -> bool:
        """Its process lives, though a sweep thought it dead: it will tell."""
        lives = call.lease is not None and self.leases[call.lease] >= self.now
        return call.is_thought_dead and lives and call.due_at >= self.now

    def _is_due(self, call: Call) -> bool:
        ends = [call.due_at]
        if call.lease is not None:
            ends.append(self.leases[call.lease])
        return call.state == "open" and min(ends) < self.now

    def _return_parts(self, call: Call, price: int) -> int:
        """Give the parts back less `price`; what of the price they did not cover."""
        for lot, part in call.parts:
            paid = min(part, price)
            lot.held -= part
            lot.left -= paid
            call.paid[lot.number] += paid
            price -= paid
        return price

    def _ended(
        self, call: Call, *, charged: int = 0, absorbed: int = 0, repeat: bool = False
    ) -> Answer:
        available = self.organizations[call.organization].available(self.now)
        return (call.state, call.amount, charged, absorbed, available, repeat)
