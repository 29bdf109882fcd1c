"""The list of calls: by any filter, the newest first, page by page.

A page begins where the last one ended, at a time and an id, so that new calls move
nothing from page to page. It is read in steps along an index (`activity_sql.py`), as
many as `LOOKED_AT` calls together. Where that was not enough to fill it, the page says
how far it looked, and the next one goes on from there: nothing is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from billing.models.hold import UNRESOLVED, HoldState
from billing.reports import keys
from billing.reports.activity_sql import (
    ID,
    MOMENT,
    Conditions,
    Place,
    Step,
    id_of,
    moment_of,
)
from billing.reports.calls import CallReport, calls_with
from billing.reports.usage import Chosen, Dimension

LOOKED_AT = 10_000  # calls of which one page is chosen, at most
FIRST_LOOK = 500  # mostly enough
PARTS_MAX = 24  # keys that are read one beside the other; more are looked for
CHUNK = 1000  # calls that are in memory at once while all are read
ID_DIGITS, ID_DIGITS_MIN = 32, 8

# By which column each dimension is looked for.
_COLUMNS = {
    Dimension.MODEL: "model",
    Dimension.PROJECT: "project_id",
    Dimension.HOLDER: "holder_id",
    Dimension.OPERATION: "operation",
    Dimension.CLIENT: "client",
    Dimension.SESSION: "session",
}
_UNITS = (Dimension.PROJECT, Dimension.HOLDER)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which calls: whose and of what (`usage.Chosen`), made from `since` until before
    `until`. The rest narrows them further, where it is set."""

    chosen: Chosen
    since: datetime | None = None
    until: datetime | None = None
    states: tuple[str, ...] = ()
    streamed: bool | None = None
    flag: str = ""
    id_prefix: str = ""  # hexadecimal digits, `ID_DIGITS_MIN` at least

    @property
    def is_of_usage(self) -> bool:
        """Usage can say what it comes to: it knows all that is asked for."""
        return not (self.states or self.flag or self.id_prefix) and (
            self.streamed is None
        )


@dataclass(frozen=True, slots=True)
class Page:
    """Calls, and the place where the next page begins; None: that was all. `looked_to`
    says how far was looked when that was too far to find a whole page."""

    calls: list[CallReport]
    following: Place | None = None
    looked_to: datetime | None = None

    @property
    def first(self) -> Place | None:
        return place_of(self.calls[0]) if self.calls else None


def page(wanted: Wanted, size: int, after: Place | None = None) -> Page:
    """The `size` calls after `after`, the newest first."""
    places, following, is_cut = _Search(wanted).find(size, after)
    looked_to = following.placed_at if following and is_cut else None
    return Page(calls_with([place.id for place in places]), following, looked_to)


def page_before(wanted: Wanted, size: int, before: Place) -> Page:
    """The `size` calls next to `before`, made after it; still the newest first."""
    places, following, _ = _Search(wanted, is_ahead=True).find(size, before)
    calls = calls_with([place.id for place in reversed(places)])
    return Page(calls, following)


def newer(wanted: Wanted, than: Place | None, most: int) -> int:
    """How many calls were made since that one, counted up to `most`."""
    places, _, _ = _Search(wanted, is_ahead=True).find(most, than)
    return len(places)


def chunks(wanted: Wanted, size: int = CHUNK) -> Iterator[list[CallReport]]:
    """All of them, the newest first, each chunk by statements of its own."""
    search, place = _Search(wanted), None
    while True:
        places, place, _ = search.find(size, place)
        if places:
            yield calls_with([each.id for each in places])
        if place is None:
            return


def place_of(call: CallReport) -> Place:
    return Place(call.placed_at, UUID(call.request_id.removeprefix("req_")))


class _Search:
    """Steps along the list, in one direction."""

    def __init__(self, wanted: Wanted, *, is_ahead: bool = False) -> None:
        self.is_ahead = is_ahead
        self.plan = plan_of(wanted)

    def find(
        self, size: int, start: Place | None
    ) -> tuple[list[Place], Place | None, bool]:
        """Up to `size` places after `start`; where to go on, None at the end of the
        list; and whether that is before `size` were found."""
        found: list[Place] = []
        if self.plan is None:
            return found, None, False
        for each in self._steps(self.plan, size):
            step = Step(
                self.plan.parts,
                self.plan.look,
                self.plan.of_usage,
                each,
                size - len(found) + 1,
                start,
                self.is_ahead,
            )
            more, ends = step.take()
            start = self._nearest(ends)
            # Beyond that, some part may have more that comes before.
            found += [place for place in more if not self._is_beyond(place, start)]
            if len(found) > size:
                return found[:size], found[size - 1], False
            if start is None:
                break
        return found, start, start is not None and len(found) < size

    def _steps(self, plan: Plan, size: int) -> Sequence[int]:
        """How many calls of each part."""
        least = size + 1
        if not plan.look:
            return [least]
        count = len(plan.parts)
        return [max(least, FIRST_LOOK // count), max(least, LOOKED_AT // count)]

    def _nearest(self, ends: Sequence[Place | None]) -> Place | None:
        """Up to where every part was looked at; None: to the end."""
        places = [end for end in ends if end is not None]
        if not places:
            return None
        return min(places) if self.is_ahead else max(places)

    def _is_beyond(self, place: Place, end: Place | None) -> bool:
        if end is None:
            return False
        return place > end if self.is_ahead else place < end


# --- where is looked, and for what ---------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """The parts that are read, each by an index, and what is asked of their calls."""

    parts: list[Conditions]
    look: Conditions
    of_usage: bool
    whole: Conditions  # all that is asked, also what the parts are narrow by


def plan_of(wanted: Wanted) -> Plan | None:
    """None: for nobody's calls."""
    chosen = wanted.chosen
    spender_ids = _spenders_of(chosen)
    if spender_ids == () or any(not subjects for subjects in chosen.of.values()):
        return None
    asked: dict[str, Sequence[Any]] = {
        _COLUMNS[name]: [subject or None for subject in subjects]
        if name in _UNITS
        else subjects
        for name, subjects in chosen.of.items()
        if name != Dimension.KEY
    }
    if spender_ids is not None:
        asked["spender_id"] = spender_ids
    if wanted.states:
        asked["state"] = wanted.states
    of_usage = bool(wanted.flag) or wanted.streamed is not None
    whole = _look(wanted, asked)
    parts = _parts(wanted, asked)
    return Plan(parts, _look(wanted, asked), of_usage, whole)


def _look(wanted: Wanted, asked: dict[str, Sequence[Any]]) -> Conditions:
    look = Conditions()
    for column, subjects in asked.items():
        _any_of(look, f"h.{column}", subjects)
    if wanted.streamed is not None:
        look.add("u.streamed = %s", wanted.streamed)
    if wanted.flag:
        look.add("u.flags LIKE %s ESCAPE '!'", f"%{_escaped(wanted.flag)}%")
    return look


def _spenders_of(chosen: Chosen) -> tuple[int, ...] | None:
    """The keys whose calls are asked for; None: of all."""
    found, of = chosen.spender_ids, chosen.of.get(Dimension.KEY)
    if of is None:
        return found
    same = keys.same_keys(of)
    return tuple(same if found is None else set(same) & set(found))


def _parts(wanted: Wanted, asked: dict[str, Sequence[Any]]) -> list[Conditions]:
    """The narrowest of the indexes of `models.Hold`. What that is narrow by is not
    asked for any more. Their conditions are said in so many words: both databases only
    take a partial index whose condition they read."""
    states = set(asked.get("state", ()))
    if wanted.id_prefix:
        return [_part(wanted)]
    if all(asked.get("session", [""])):
        texts = "NOT (session = '') AND session = %s"
        return [_part(wanted, texts, name) for name in asked.pop("session")]
    if "spender_id" in asked and len(asked["spender_id"]) <= PARTS_MAX:
        return [_part(wanted, "spender_id = %s", s) for s in asked.pop("spender_id")]
    if states and states <= set(UNRESOLVED):
        return [_part(wanted, "state IN ('open', 'in_doubt')")]
    if states and states <= {HoldState.RELEASED, HoldState.IN_DOUBT}:
        texts = "state IN ('released', 'in_doubt') AND state = %s"
        return [_part(wanted, texts, state) for state in asked.pop("state")]
    return [_part(wanted)]


def _part(wanted: Wanted, text: str = "", *values: Any) -> Conditions:
    found = Conditions()
    # PLAN: with the sign, no index that begins with the account is taken.
    is_elsewhere = text.startswith("spender_id") or wanted.id_prefix
    found.add(f"{'+' if is_elsewhere else ''}account_id = %s", wanted.chosen.account_id)
    if text:
        found.add(text, *values)
    if wanted.since is not None:
        found.add(f"placed_at >= {MOMENT}", moment_of(wanted.since))
    if wanted.until is not None:
        found.add(f"placed_at < {MOMENT}", moment_of(wanted.until))
    if wanted.id_prefix:
        for text, digit in ((">=", "0"), ("<=", "f")):
            last = UUID(wanted.id_prefix.ljust(ID_DIGITS, digit))
            found.add(f"id {text} {ID}", id_of(last))
    return found


def _any_of(look: Conditions, column: str, subjects: Sequence[Any]) -> None:
    some = [each for each in subjects if each is not None]
    texts = [f"{column} IN ({', '.join(['%s'] * len(some))})"] if some else []
    if len(some) < len(subjects):
        texts.append(f"{column} IS NULL")
    look.add(f"({' OR '.join(texts)})", *some)


def _escaped(text: str) -> str:
    for sign in "!%_":
        text = text.replace(sign, f"!{sign}")
    return text
