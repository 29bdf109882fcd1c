"""The list of calls: what it finds, page by page, and what that comes to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from random import Random
from uuid import uuid4

import pytest

from billing import holds
from billing.models import Correction, Hold, Spender, UsageRecord
from billing.reports import activity, activity_totals, usage
from billing.reports.activity import Wanted
from billing.reports.calls import CallReport
from billing.reports.periods import Range
from billing.reports.usage import Chosen, Dimension, Figures
from billing.values.orders import Doubt, Place, Settle, Usage
from tests.support.ledger.clocks import Clock
from tests.support.ledger.payers import Payer
from tests.support.ledger.spending import Spending

STEPS = 45


@pytest.fixture
def spent(customer: Payer, stranger: Payer, clock: Clock) -> Spending:
    """Some days of random usage, calls that still run, and calls of others."""
    spending = Spending.begin(customer, clock, seed=4)
    spending.go_on(STEPS)
    for key in spending.keys:
        holds.commit([_place(spending, key, uuid4().hex)])
    lost = _place(spending, spending.keys[0], uuid4().hex)
    holds.commit([lost, Doubt(lost.hold_id, lost.account_id, "upstream_timeout")])
    # Others' calls are nobody's here.
    other = Spending.begin(stranger, clock, seed=5)
    other.go_on(4)
    return spending


def _place(spending: Spending, key: Spender, hold_id: str) -> Place:
    return Place(
        hold_id=f"{key.id:08x}{hold_id[8:]}",
        account_id=spending.payer.account_id,
        spender_id=key.id,
        bound_micros=9,
        operation="chat",
        model="gpt",
        due_at=spending.clock.moment + timedelta(minutes=15),
    )


# --- by hand -------------------------------------------------------------------------


def _calls(account_id: int) -> list[Hold]:
    found = Hold.objects.filter(account_id=account_id, is_envelope=False)
    return sorted(
        found.select_related("usage"), key=lambda h: (h.placed_at, h.id), reverse=True
    )


def _usage(hold: Hold) -> UsageRecord | None:
    return getattr(hold, "usage", None)


def _expected(wanted: Wanted) -> list[Hold]:
    """One call after the other, by the filter's words."""
    first = {s.id: s.parent_id or s.counts_as_id or s.id for s in Spender.objects.all()}
    values: dict[Dimension, Callable[[Hold], object]] = {
        Dimension.MODEL: lambda h: h.model,
        Dimension.KEY: lambda h: first[h.spender_id],
        Dimension.PROJECT: lambda h: h.project_id or 0,
        Dimension.HOLDER: lambda h: h.holder_id or 0,
        Dimension.OPERATION: lambda h: h.operation,
        Dimension.CLIENT: lambda h: h.client,
        Dimension.SESSION: lambda h: h.session,
    }

    def is_wanted(hold: Hold) -> bool:
        used, spenders = _usage(hold), wanted.chosen.spender_ids
        return (
            all(values[of](hold) in names for of, names in wanted.chosen.of.items())
            and (spenders is None or hold.spender_id in spenders)
            and (wanted.since is None or wanted.since <= hold.placed_at)
            and (wanted.until is None or hold.placed_at < wanted.until)
            and (not wanted.states or hold.state in wanted.states)
            and hold.id.hex.startswith(wanted.id_prefix)
            and (not wanted.flag or (used is not None and wanted.flag in used.flags))
            and (
                wanted.streamed is None
                or (used is not None and used.streamed is wanted.streamed)
            )
        )

    return [h for h in _calls(wanted.chosen.account_id) if is_wanted(h)]


def _figures(calls: list[Hold]) -> Figures:
    total = Figures()
    for hold in calls:
        used = _usage(hold)
        posted = Correction.objects.filter(hold=hold, state="posted")
        lines: list[UsageRecord | Correction] = [*([used] if used else []), *posted]
        for line in lines:
            total += Figures(
                1 if isinstance(line, UsageRecord) else line.requests,
                line.prompt_tokens,
                line.completion_tokens,
                line.charged_micros,
            )
    return total


def _wanteds(spending: Spending, chance: Random) -> Iterator[Wanted]:
    """Filters of every kind, and combinations of them by chance."""
    account = Chosen(spending.payer.account_id)
    keys, ends = spending.keys, [h.placed_at for h in _calls(account.account_id)]
    dimensions: dict[Dimension, tuple[usage.Subject, ...]] = {
        Dimension.MODEL: ("gpt", "flux", "none"),
        Dimension.KEY: (keys[0].id, keys[1].id),
        Dimension.PROJECT: (keys[0].project_id or 0, keys[1].project_id or 0, 0),
        Dimension.HOLDER: (keys[0].holder_id or 0,),
        Dimension.OPERATION: ("chat", "audio"),
        Dimension.CLIENT: ("", "curl"),
        Dimension.SESSION: ("", "nightly", "run-7"),
    }
    yield Wanted(account)
    yield Wanted(account.narrowed(Dimension.KEY))
    yield Wanted(Chosen(account.account_id, spender_ids=()))
    yield Wanted(Chosen(account.account_id, spender_ids=(keys[3].id, keys[1].id)))
    for state in ("open", "settled", "released", "in_doubt"):
        yield Wanted(account, states=(state,))
    yield Wanted(account, states=("open", "in_doubt"))
    yield Wanted(account, states=("released", "in_doubt"))
    yield Wanted(account, streamed=False)
    yield Wanted(account, streamed=True)
    yield Wanted(account, flag="hold_overrun")
    yield Wanted(account, flag="hold%")
    yield Wanted(account, id_prefix=_calls(account.account_id)[3].id.hex[:9])
    for _ in range(24):
        chosen = account
        for name in chance.sample(list(dimensions), chance.randint(0, 2)):
            subjects = dimensions[name]
            some = chance.sample(subjects, chance.randint(1, len(subjects)))
            chosen = chosen.narrowed(name, *some)
        since, until = sorted(chance.sample(ends, 2))
        yield Wanted(
            chosen,
            chance.choice([None, since]),
            chance.choice([None, until, until + timedelta(microseconds=1)]),
            states=chance.choice([(), (), ("settled",), ("released", "settled")]),
        )


def _ids(calls: list[CallReport]) -> list[str]:
    return [call.request_id.removeprefix("req_") for call in calls]


def _all_pages(wanted: Wanted, size: int) -> list[str]:
    found, place = [], None
    while True:
        page = activity.page(wanted, size, place)
        found += _ids(page.calls)
        place = page.following
        if place is None:
            return found


# --- what is promised ----------------------------------------------------------------


def test_lists_pages_totals_and_the_export_agree_with_every_call_by_hand(
    spent: Spending, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So small that a page takes several steps, and a total is told by usage.
    monkeypatch.setattr(activity, "FIRST_LOOK", 5)
    monkeypatch.setattr(activity, "LOOKED_AT", 11)
    monkeypatch.setattr(activity_totals, "COUNTED_FIRST", 8)
    by_usage = 0
    for wanted in _wanteds(spent, Random(2)):
        expected = _expected(wanted)
        ids = [hold.id.hex for hold in expected]
        assert _all_pages(wanted, 7) == ids, wanted
        assert [i for c in activity.chunks(wanted, 11) for i in _ids(c)] == ids, wanted
        totals = activity_totals.totals(wanted)
        assert totals.figures == _figures(expected), wanted
        assert totals.calls in (None, len(ids)), wanted
        by_usage += totals.calls is None
    assert by_usage > 10


def test_what_was_charged_in_a_time_is_what_usage_says(spent: Spending) -> None:
    account = Chosen(spent.payer.account_id)
    moments = [h.placed_at for h in _calls(account.account_id)]
    wanted = Wanted(account, moments[25], moments[10])
    span = Range(moments[25], moments[10])
    assert activity_totals.charged_in(wanted) == usage.total(account, span)
    assert activity_totals.charged_in(Wanted(account, states=("open",))) is None


def test_of_a_list_that_nobody_can_add_up_the_newest_are_told(
    spent: Spending, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = Wanted(Chosen(spent.payer.account_id), streamed=False)
    expected = _expected(wanted)
    monkeypatch.setattr(activity_totals, "COUNTED", 8)
    totals = activity_totals.totals(wanted)
    assert not totals.is_all
    assert totals.calls is not None
    assert 0 < totals.calls <= 9 < len(expected)
    assert totals.figures == _figures(expected[: totals.calls])
    monkeypatch.setattr(activity_totals, "COUNTED", 1000)
    whole = activity_totals.Totals(len(expected), _figures(expected))
    assert activity_totals.totals(wanted) == whole


def test_new_calls_move_nothing_from_page_to_page(spent: Spending) -> None:
    wanted = Wanted(Chosen(spent.payer.account_id))
    before = [hold.id.hex for hold in _expected(wanted)]
    found, place = [], None
    while True:
        page = activity.page(wanted, 6, place)
        found += _ids(page.calls)
        place = page.following
        if place is None:
            break
        # Some are made in the very microsecond of the last, some later.
        spent.go_on(2)
    assert found == before


def test_the_pages_before_are_the_pages_after_read_backwards(spent: Spending) -> None:
    wanted = Wanted(Chosen(spent.payer.account_id).narrowed(Dimension.MODEL, "gpt"))
    ids = [hold.id.hex for hold in _expected(wanted)]
    second = activity.page(wanted, 5, activity.page(wanted, 5).following)
    assert second.first is not None
    before = activity.page_before(wanted, 5, second.first)
    assert _ids(before.calls) == ids[:5]
    assert before.following is None
    third = activity.page(wanted, 5, second.following)
    assert third.first is not None
    assert _ids(activity.page_before(wanted, 3, third.first).calls) == ids[7:10]


def test_new_calls_are_counted_as_far_as_they_are_asked_for(spent: Spending) -> None:
    wanted = Wanted(Chosen(spent.payer.account_id))
    first = activity.page(wanted, 5).first
    assert activity.newer(wanted, first, 99) == 0
    fifth = activity.place_of(activity.page(wanted, 5).calls[4])
    assert activity.newer(wanted, fifth, 99) == 4
    assert activity.newer(wanted, fifth, 3) == 3
    assert activity.newer(wanted, None, 99) == len(_expected(wanted))


def test_a_page_that_looked_far_says_how_far(
    spent: Spending, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity, "FIRST_LOOK", 5)
    monkeypatch.setattr(activity, "LOOKED_AT", 11)
    wanted = Wanted(Chosen(spent.payer.account_id).narrowed(Dimension.CLIENT, "nobody"))
    page = activity.page(wanted, 5)
    assert not page.calls
    assert page.following is not None
    assert page.looked_to == page.following.placed_at
    assert page.looked_to < _calls(spent.payer.account_id)[10].placed_at


def test_a_call_that_was_charged_after_the_time_counts_with_when_it_was_made(
    customer: Payer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity_totals, "COUNTED_FIRST", 0)
    spending = Spending.begin(customer, clock, seed=1)
    edges: list[datetime] = []
    calls = [_place(spending, key, uuid4().hex) for key in spending.keys[:3]]
    for call in calls:
        holds.commit([call])
        clock.advance(seconds=3600)
        edges.append(clock.moment)
    for price, call in enumerate(calls, 1):
        usage_ = Usage("upstream", price, prompt_tokens=1, completion_tokens=1)
        holds.commit([Settle(call.hold_id, call.account_id, usage_)])
    account = Chosen(customer.account_id)
    found = [
        activity_totals.totals(Wanted(account, since, until)).figures
        for since, until in (
            (None, edges[0]),
            (edges[0], edges[1]),
            (edges[1], None),
            (None, None),
        )
    ]
    assert [figures.charged_micros for figures in found] == [1, 2, 3, 6]
