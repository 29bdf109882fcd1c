"""The rules of budgets and runs once more, plainly, to check the ledger.

It shares no code with `billing` and keeps no counters: what counts in a window is added
up from all calls whenever somebody asks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from fnmatch import fnmatchcase
from zoneinfo import ZoneInfo

Answer = tuple[object, ...]
Key = int


def day_window(name: str, day: date) -> tuple[str, str]:
    """The window of that day, as nobody else writes it."""
    if name == "week":
        year, week, _ = day.isocalendar()
        return name, f"{year}-{week}"
    return name, {"day": str(day), "month": str(day)[:7], "total": ""}[name]


@dataclass(eq=False)
class Limit:
    """A limit, from its making on until its end."""

    number: int
    level: str
    whom: object  # a key, a project, a holder, or nobody
    window: str
    most: int
    pattern: str
    since: datetime | None
    made_at: datetime
    zone: str
    made_in: tuple[str, str]
    raises: list[tuple[int, datetime]] = field(default_factory=list)
    ended: int | None = None
    # Which limit's window goes on in its first, after the time zone was another.
    goes_on: tuple[Limit, tuple[str, str]] | None = None
    is_all_since: bool = False
    instead_of: Limit | None = None

    def most_at(self, now: datetime) -> int:
        return self.most + sum(more for more, until in self.raises if now < until)


@dataclass(eq=False)
class Spending:
    """A call, or a run: whoever holds something."""

    number: int
    key: Key
    model: str
    amount: int
    placed_at: datetime
    within: Spending | None
    is_run: bool = False
    due_at: datetime | None = None
    put_in: int = 0
    is_open: bool = True
    ended: int = 0
    charged: int = 0
    flags: set[str] = field(default_factory=set)

    def was_open_at(self, number: int) -> bool:
        return self.is_open or self.ended > number

    def around(self) -> list[Spending]:
        found, each = [], self.within
        while each is not None:
            found.append(each)
            each = each.within
        return found


@dataclass(eq=False)
class BudgetAuditor:
    """One organization. A key has a project, a holder, and may be a run's."""

    now: datetime
    credits: int
    project_of: dict[Key, str]
    holder_of: dict[Key, str]
    zone: str = "UTC"
    run_of: dict[Key, Spending] = field(default_factory=dict)
    parent_of: dict[Key, Key] = field(default_factory=dict)
    limits: list[Limit] = field(default_factory=list)
    spendings: list[Spending] = field(default_factory=list)
    borne: int = 0
    clock: int = 0  # counts what was done: two things are never at once

    # --- windows and whom they bind -------------------------------------------------

    def window(self, limit: Limit, at: datetime) -> tuple[str, str]:
        return day_window(limit.window, at.astimezone(ZoneInfo(limit.zone)).date())

    def line(self, key: Key) -> list[Key]:
        return [key, *(self.line(self.parent_of[key]) if key in self.parent_of else [])]

    def binds(self, limit: Limit, key: Key) -> bool:
        match limit.level:
            case "organization":
                return True
            case "project":
                return self.project_of[key] == limit.whom
            case "member":
                return self.holder_of[key] == limit.whom
            case "member_in_project":
                return (self.project_of[key], self.holder_of[key]) == limit.whom
            case _:
                return limit.whom in self.line(key)

    def is_for(self, limit: Limit, spending: Spending) -> bool:
        if not self.binds(limit, spending.key):
            return False
        if spending.is_run:
            return not limit.pattern
        parts = limit.pattern.split(",") if limit.pattern else ["*"]
        return any(fnmatchcase(spending.model, part) for part in parts)

    def counted(self, limit: Limit, spending: Spending) -> tuple[str, str] | None:
        """In which window of the limit it counts."""
        was_open = spending.was_open_at(limit.number)
        around = (run for run in spending.around() if run.was_open_at(limit.number))
        if was_open and (run := next(around, None)):
            inherited = self.counted(limit, run)
            if inherited is not None:
                return inherited
        if not self.is_for(limit, spending):
            return None
        if spending.number < limit.number and spending.is_run and was_open:
            # What a run has set aside stays so, whichever limit takes the place.
            before = limit.instead_of
            if before and self.counted(before, spending) is not None:
                return limit.made_in
        if spending.number > limit.number:
            return self.window(limit, spending.placed_at)
        if limit.since is not None and spending.placed_at < limit.since:
            return None
        if limit.since == limit.made_at:
            return None
        is_in = self.window(limit, spending.placed_at) == limit.made_in
        return limit.made_in if is_in or self.went_on(limit, spending) else None

    def went_on(self, limit: Limit, spending: Spending) -> bool:
        if limit.goes_on is None or limit.is_all_since:
            return limit.is_all_since
        before, window = limit.goes_on
        return self.counted(before, spending) == window

    def sums(self, limit: Limit, window: tuple[str, str]) -> tuple[int, int]:
        """Spent and held."""
        found = [s for s in self.spendings if self.counted(limit, s) == window]
        held = sum(each.amount for each in found if each.is_open)
        return sum(each.charged for each in found), held

    def present(self, limit: Limit) -> tuple[int, int]:
        return self.sums(limit, self.window(limit, self.now))

    def in_force(self) -> list[Limit]:
        return [limit for limit in self.limits if limit.ended is None]

    # --- balance --------------------------------------------------------------------

    def held(self) -> int:
        return sum(each.amount for each in self.spendings if each.is_open)

    def held_by_runs(self) -> int:
        """By open ones and whatever is inside them."""
        return sum(
            each.amount
            for each in self.spendings
            if each.is_open
            and (each.is_run or any(run.is_open for run in each.around()))
        )

    def balance(self) -> int:
        return self.credits - sum(each.charged for each in self.spendings)

    def available(self) -> int:
        return self.balance() - self.held()

    # --- limits ---------------------------------------------------------------------

    def limit(
        self, terms: tuple[str, object, str, str], most: int, *, counts: bool
    ) -> Limit:
        level, whom, window, pattern = terms
        for known in self.in_force():
            if (known.level, known.whom, known.window, known.pattern) == terms:
                is_new = known.since is not None and self.is_present(known, known.since)
                if counts and not is_new:
                    known.most = most
                    return known
                return self.replace(known, most, None if counts else self.now)
        return self.make(
            level, whom, window, pattern, most, None if counts else self.now
        )

    def make(
        self,
        level: str,
        whom: object,
        window: str,
        pattern: str,
        most: int,
        since: datetime | None,
    ) -> Limit:
        self.clock += 1
        made = Limit(
            *(self.clock, level, whom, window, most, pattern, since, self.now),
            zone=self.zone,
            made_in=("", ""),
        )
        made.made_in = self.window(made, self.now)
        self.limits.append(made)
        return made

    def is_present(self, limit: Limit, at: datetime) -> bool:
        return self.window(limit, at) == self.window(limit, self.now)

    def replace(self, known: Limit, most: int, since: datetime | None) -> Limit:
        self.end(known)
        terms = (known.level, known.whom, known.window, known.pattern)
        made = self.make(*terms, most, since)
        made.raises, made.instead_of = known.raises, known
        return made

    def end(self, limit: Limit) -> None:
        self.clock += 1
        limit.ended = self.clock

    def move_to(self, zone: str) -> None:
        self.zone = zone
        for limit in self.in_force():
            if limit.window != "total":
                self.move_limit(limit)

    def move_limit(self, limit: Limit) -> None:
        """Whatever counts in its present window counts on."""
        present, since = self.window(limit, self.now), limit.since
        is_first = limit.made_in == present
        if since and is_first and self.window(limit, since) != present:
            since = None  # as it was when the window began, which goes on
        moved = self.replace(limit, limit.most, since)
        moved.goes_on = (limit, present)
        moved.is_all_since = is_first and since is not None

    # --- calls and runs -------------------------------------------------------------

    def expire(self) -> None:
        """Runs whose time is up give back before anybody else holds anything."""
        for run in [each for each in self.spendings if each.is_run and each.is_open]:
            assert run.due_at is not None
            if run.due_at <= self.now:
                self.close(run)

    def expire_around(self, call: Spending) -> None:
        """Whatever is done to a call closes the runs it is in whose time is up. What
        else is inside them waits for a hold, or for the worker."""
        for run in call.around():
            assert run.due_at is not None
            if run.is_open and run.due_at <= self.now:
                self.close_alone(run)

    def place(self, key: Key, model: str, amount: int) -> tuple[str, Spending | None]:
        self.expire()
        return self.hold(Spending(0, key, model, amount, self.now, None))

    def hold(self, wanted: Spending) -> tuple[str, Spending | None]:
        run = wanted.within = self.run_of.get(wanted.key)
        if run is not None:
            if not all(each.is_open for each in (run, *run.around())):
                return "EnvelopeClosed", None
            if run.amount < wanted.amount:
                return "EnvelopeExhausted", None
        for limit in self.in_force():
            if run is not None and self.counted(limit, run) is not None:
                continue
            most = limit.most_at(self.now)
            if (
                self.is_for(limit, wanted)
                and sum(self.present(limit)) + (wanted.amount) > most
            ):
                return "BudgetExceeded", None
        if run is None and self.available() < wanted.amount:
            is_soon = self.balance() - self.held_by_runs() >= wanted.amount
            return ("CreditsOnHold" if is_soon else "InsufficientCredits"), None
        if run is not None:
            run.amount -= wanted.amount
        self.clock += 1
        wanted.number = self.clock
        self.spendings.append(wanted)
        return "Placed", wanted

    def open_run(
        self, key: Key, amount: int, due_at: datetime
    ) -> tuple[str, Spending | None]:
        before = [(each, each.is_open, each.amount) for each in self.spendings]
        self.expire()
        run = Spending(0, key, "", amount, self.now, None, is_run=True)
        run.put_in, run.due_at = amount, due_at
        if (outer := self.run_of.get(key)) and outer.due_at:
            run.due_at = min(due_at, outer.due_at)
        said, opened = self.hold(run)
        if opened is None:  # a refusal changes nothing, not even what has expired
            for each, is_open, left in before:
                each.is_open, each.amount = is_open, left
        return said, opened

    def add_credits(self, run: Spending, amount: int) -> str:
        """What is said of it; a refusal changes nothing."""
        before = [(each, each.is_open, each.amount) for each in self.spendings]
        self.expire()
        said = self._refused_more(run, amount)
        if said:
            for each, is_open, left in before:
                each.is_open, each.amount = is_open, left
            return said
        if run.within is not None:
            run.within.amount -= amount
        run.amount += amount
        run.put_in += amount
        return ""

    def _refused_more(self, run: Spending, amount: int) -> str:
        parent = run.within
        if not all(each.is_open for each in (run, *run.around())):
            return "EnvelopeClosed"
        if parent is not None and parent.amount < amount:
            return "EnvelopeExhausted"
        own = [limit for limit in self.in_force() if self.counted(limit, run)]
        own = [each for each in own if not (parent and self.counted(each, parent))]
        for limit in own:
            if self.counted(limit, run) != self.window(limit, self.now):
                return "WindowEnded"
        for limit in own:
            if sum(self.present(limit)) + amount > limit.most_at(self.now):
                return "BudgetExceeded"
        if parent is None and self.available() < amount:
            is_soon = self.balance() - self.held_by_runs() >= amount
            return "CreditsOnHold" if is_soon else "InsufficientCredits"
        return ""

    def give_back(self, spending: Spending, amount: int) -> None:
        for run in spending.around():
            if run.is_open:
                run.amount += amount
                return

    def close(self, run: Spending) -> None:
        for each in self.spendings:
            if each.is_run and each.is_open and each.within is run:
                self.close(each)
        self.close_alone(run)

    def close_alone(self, run: Spending) -> None:
        self.clock += 1
        run.is_open, run.ended = False, self.clock
        self.give_back(run, run.amount)

    def end_call(self, call: Spending, price: int) -> None:
        self.expire_around(call)
        self.clock += 1
        call.is_open, call.ended = False, self.clock
        self.give_back(call, call.amount - min(price, call.amount))
        self.charge(call, min(price, call.amount))
        self.charge_more(call, price - min(price, call.amount))

    def charge(self, call: Spending, amount: int) -> None:
        call.charged += amount

    def charge_more(self, call: Spending, missing: int) -> None:
        for run in call.around():
            part = min(missing, run.amount) if run.is_open else 0
            run.amount -= part
            call.charged += part
            missing -= part
        part = min(missing, self.available())
        self.charge(call, part)
        self.borne += missing - part

    def days_pass(self, step: timedelta) -> None:
        self.now += step
