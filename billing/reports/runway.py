"""For how long the credits last, as they are spent now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# Over how many whole days, today not among them, a pace is taken.
PACES = (3, 7, 28)
DAYS_MAX = 365  # nobody can see further


@dataclass(frozen=True, slots=True)
class Runway:
    """Whole days; `DAYS_MAX` stands for that and more."""

    least: int
    most: int


def runway(available_micros: int, spent_by_day: Sequence[int]) -> Runway | None:
    """How long so many credits last; None where nobody can say.

    `spent_by_day` are whole days, the oldest first and the last of them yesterday. A
    pace is what was spent on average on the last 3, 7 and 28 of them, each as far as
    there was any use by then: who began four days ago did not spend nothing before. The
    fastest of the three paces gives the least number of days, the slowest the most. Of
    one whose organization spent nothing in 28 days, or began today, nothing is said.
    """
    used = list(spent_by_day)
    while used and not used[0]:
        del used[0]  # before the first use
    paces = [sum(used[-days:]) / len(used[-days:]) for days in PACES if used]
    running = [pace for pace in paces if pace > 0]
    if not running or available_micros <= 0:
        return None
    least, most = (
        min(int(available_micros / pace), DAYS_MAX)
        for pace in (max(running), min(running))
    )
    return Runway(least, DAYS_MAX if min(paces) <= 0 else most)
