"""What a call used: the upstream's word where it makes sense, else what we counted."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.pricing.rates import Rates, Units
from billing.pricing.usage import measure
from billing.values.orders import AMOUNT_MICROS_MAX, CREDIT, Usage

BOUND = 40 * CREDIT
RATES = Rates("chat.completions", "*", CREDIT, 1000, 2000, 0, 5 * CREDIT, CREDIT, 4096)
COUNTED = Units(prompt_tokens=100, completion_tokens=50)
ESTIMATE = RATES.cost_micros(COUNTED)

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(2**62, 2**65),
    st.integers(0, 10**7),
    st.floats(),
    st.text(),
    st.sampled_from(["7", "1e3", "NaN", "1e400", "∞"]),
)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=9), inner, max_size=4)
    ),
    max_leaves=10,
)
names = st.sampled_from(
    ["credits_used", "prompt_tokens", "completion_tokens", "total_tokens"]
    + ["credits_breakdown", "credits"]
)
reports = anything | st.dictionaries(names, anything) | st.dictionaries(names, scalars)


def measured(report: Any, bound: int = BOUND, counted: Units = COUNTED) -> Usage:
    return measure(report, rates=RATES, bound_micros=bound, counted=counted)


@given(reports, st.integers(0, AMOUNT_MICROS_MAX), st.integers(0, 10**6))
def test_whatever_the_upstream_says_there_is_a_price(
    report: Any, bound: int, tokens: int
) -> None:
    usage = measured(report, bound, Units(tokens, tokens))
    figures = [usage.cost_micros, usage.prompt_tokens, usage.completion_tokens]
    figures += usage.components.values()

    assert all(type(each) is int and 0 <= each < 2**63 for each in figures)
    assert usage.basis in {"upstream", "computed", "estimated"}
    assert (usage.basis == "upstream") == (usage.upstream_micros is not None)
    assert usage.cost_micros <= 100 * max(bound, CREDIT)
    if usage.basis == "upstream":
        assert usage.cost_micros == usage.upstream_micros
    if usage.basis == "estimated":
        assert usage.cost_micros <= bound


@given(scalars | anything)
def test_a_claim_is_taken_exactly_or_not_at_all(claim: Any) -> None:
    usage = measured({"credits_used": claim})

    if type(claim) is int and 0 <= claim <= 100 * BOUND // CREDIT:
        assert (usage.basis, usage.cost_micros) == ("upstream", claim * CREDIT)
        assert usage.flags == ()
    else:
        assert (usage.basis, usage.cost_micros) == ("estimated", ESTIMATE)
        assert usage.flags == (() if claim is None else ("usage_invalid",))


@pytest.mark.parametrize(
    "claim",
    [True, False, 7.0, -1, "7", "1e3", float("nan"), float("inf"), 2**63, 10**30]
    + [[], {}, [7], {"credits": 7}, 100 * 40 + 1],
)
def test_an_invalid_claim_is_flagged_and_never_charged(claim: Any) -> None:
    tokens = {"prompt_tokens": 10, "completion_tokens": 20}
    usage = measured({"credits_used": claim, **tokens})

    assert usage.flags == ("usage_invalid",)
    assert usage.basis == "computed"
    assert usage.cost_micros == RATES.cost_micros(Units(10, 20))


@pytest.mark.parametrize(
    ("claim", "shown"),
    [
        (4001, "credits_used 4001,"),
        (10**50, f"credits_used {10**50},"),
        (10**5000, "something else (int)"),
        ([10**5000], "something else (list)"),
        (-1, "credits_used -1,"),
        (12.5, "credits_used 12.5,"),
        ("1" * 500, f"credits_used {'1' * 60!r},"),
        ("7\n8", r"credits_used '7\n8',"),
    ],
    ids=lambda value: type(value).__name__,  # some have too many digits to be shown
)
def test_a_claim_that_is_not_believed_is_logged_with_its_amount(
    caplog: pytest.LogCaptureFixture, claim: Any, shown: str
) -> None:
    measure(
        {"credits_used": claim},
        rates=RATES,
        bound_micros=BOUND,
        counted=COUNTED,
        request_id="req_1",
    )

    [record] = caplog.records
    assert record.levelname == "ERROR"
    assert record.getMessage().startswith("req_1: the upstream claims ")
    assert shown in record.getMessage()
    assert "(at most 4000 credits)" in record.getMessage()


def test_tokens_that_are_not_believed_are_logged_with_what_they_would_cost(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tokens = {"prompt_tokens": 10**9, "completion_tokens": 0}
    measured(tokens, CREDIT)

    assert f"tokens for {CREDIT + 10**12} microcredits" in caplog.text


def test_what_is_believed_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    for report in ({"credits_used": 4000}, {"credits_used": 0}, {}, None):
        measured(report)
    assert caplog.records == []


def test_an_explicit_zero_is_a_zero() -> None:
    usage = measured({"credits_used": 0, "prompt_tokens": 10})

    assert (usage.basis, usage.cost_micros, usage.flags) == ("upstream", 0, ())


def test_a_hundred_times_the_bound_is_the_most_that_is_believed() -> None:
    assert measured({"credits_used": 4000}).cost_micros == 4000 * CREDIT
    assert measured({"credits_used": 4001}).basis == "estimated"
    assert measured({"credits_used": 100}, bound=0).cost_micros == 100 * CREDIT
    assert measured({"credits_used": 101}, bound=0).basis == "estimated"


@pytest.mark.parametrize("report", [None, {}, [], "usage", 7, True, {"usage": {}}])
def test_without_any_usage_the_count_is_the_measure(report: Any) -> None:
    usage = measured(report)

    assert (usage.basis, usage.cost_micros) == ("estimated", ESTIMATE)
    assert (usage.prompt_tokens, usage.completion_tokens) == (100, 50)


def test_an_estimate_never_exceeds_the_bound() -> None:
    assert measured(None, bound=ESTIMATE - 1).cost_micros == ESTIMATE - 1
    assert measured(None, counted=Units(10**9, 10**9)).cost_micros == BOUND


@pytest.mark.parametrize(
    ("tokens", "completion"),
    [
        ({"prompt_tokens": 10, "total_tokens": 10}, 0),
        ({"prompt_tokens": 10, "total_tokens": 15}, 5),
        ({"prompt_tokens": 10, "total_tokens": 3}, 0),
        ({"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 99}, 4),
        ({"prompt_tokens": 10, "completion_tokens": True, "total_tokens": 12}, 2),
    ],
)
def test_a_total_stands_in_for_a_completion(
    tokens: dict[str, Any], completion: int
) -> None:
    usage = measured(tokens)

    assert usage.basis == "computed"
    assert (usage.prompt_tokens, usage.completion_tokens) == (10, completion)


@pytest.mark.parametrize(
    "tokens",
    [
        {"prompt_tokens": 10},
        {"completion_tokens": 10},
        {"prompt_tokens": -1, "completion_tokens": 1},
        {"prompt_tokens": 10**9 + 1, "completion_tokens": 1},
        {"prompt_tokens": "10", "completion_tokens": 1},
    ],
)
def test_half_a_token_count_is_none(tokens: dict[str, Any]) -> None:
    assert measured(tokens).basis == "estimated"


@pytest.mark.parametrize("claim", [{}, {"credits_used": -1}])
def test_tokens_beyond_a_hundred_times_the_bound_are_not_believed(
    claim: dict[str, int],
) -> None:
    usage = measured({"prompt_tokens": 10**8, "completion_tokens": 1, **claim})

    assert (usage.basis, usage.cost_micros) == ("estimated", ESTIMATE)
    assert usage.flags == ("usage_invalid",)


def test_tokens_are_kept_beside_the_upstreams_price() -> None:
    usage = measured({"credits_used": 7, "prompt_tokens": 10, "total_tokens": 15})

    assert (usage.prompt_tokens, usage.completion_tokens) == (10, 5)


@given(st.dictionaries(st.text(max_size=70), st.integers(-3, 9), max_size=40))
def test_a_breakdown_that_does_not_add_up_is_flagged_and_both_are_kept(
    breakdown: dict[str, int],
) -> None:
    usage = measured({"credits_used": 7, "credits_breakdown": breakdown})

    kept = sum(usage.components.values())
    assert usage.cost_micros == 7 * CREDIT
    is_wrong = bool(usage.components) and kept != 7 * CREDIT
    assert usage.flags == (("breakdown_mismatch",) if is_wrong else ())
    assert len(usage.components) <= 32
    assert all(0 < len(name) <= 64 for name in usage.components)


def test_earlier_remarks_are_kept() -> None:
    usage = measure(
        {"credits_used": -1},
        rates=RATES,
        bound_micros=BOUND,
        counted=COUNTED,
        flags=("client_gone",),
    )

    assert usage.flags == ("client_gone", "usage_invalid")


def test_what_we_saw_ourselves_is_priced_with_the_upstreams_tokens() -> None:
    usage = measured(
        {"prompt_tokens": 1, "completion_tokens": 1}, counted=Units(web_search=True)
    )

    assert usage.cost_micros == RATES.cost_micros(Units(1, 1, web_search=True))
