"""Lines of the spool: what one release wrote the next one can read, or refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from billing.ledger.spool_lines import decoded, encoded
from billing.values.orders import Doubt, Release, Resolution, Settle, Usage

HOLD = "0192f3a1b2c37d4e8f00112233445566"
LEASE = "fedcba98765443210123456789abcdef"
USED = (
    b'{"basis": "upstream", "cost": 12, "upstream": 12, "prompt_tokens": 3, '
    b'"completion_tokens": 4, "components": {"web search": 5, "output": 7}, '
    b'"upstream_id": "gen-\\u2028\\ud800\\n", "streamed": true, "duration_ms": 8, '
    b'"flags": ["client_gone", "cut"]}'
)
USAGE = Usage(
    basis="upstream",
    cost_micros=12,
    upstream_micros=12,
    prompt_tokens=3,
    completion_tokens=4,
    components={"web search": 5, "output": 7},
    upstream_id="gen-\u2028\ud800\n",
    streamed=True,
    duration_ms=8,
    flags=("client_gone", "cut"),
)
UNKNOWN = Usage(basis="in_doubt", cost_micros=0)
NOTHING_USED = (
    b'{"basis": "in_doubt", "cost": 0, "upstream": null, "prompt_tokens": 0, '
    b'"completion_tokens": 0, "components": {}, "upstream_id": "", '
    b'"streamed": false, "duration_ms": 0, "flags": []}'
)
HEAD = b'{"v": 1, "hold": "0192f3a1b2c37d4e8f00112233445566", "account": 7, '

# Files hold such lines: they are not to be changed, but by a new version beside them.
LINES: list[tuple[bytes, Resolution]] = [
    (
        HEAD + b'"reason": "client_left", "order": "settle", "usage": ' + USED + b"}\n",
        Settle(HOLD, 7, USAGE, "client_left"),
    ),
    (
        HEAD + b'"reason": "upstream_refused", "order": "release", "usage": null}\n',
        Release(HOLD, 7, "upstream_refused"),
    ),
    (
        HEAD + b'"reason": "", "order": "release", "usage": ' + NOTHING_USED + b"}\n",
        Release(HOLD, 7, "", UNKNOWN),
    ),
    (
        HEAD + b'"reason": "upstream_lost", "order": "doubt", "only_if_due": false, '
        b'"dead_lease": null}\n',
        Doubt(HOLD, 7, "upstream_lost"),
    ),
    (
        HEAD + b'"reason": "caller_died", "order": "doubt", "only_if_due": true, '
        b'"dead_lease": "fedcba98765443210123456789abcdef"}\n',
        Doubt(HOLD, 7, "caller_died", True, LEASE),
    ),
]


@pytest.mark.parametrize(("line", "order"), LINES)
def test_a_stored_line_is_written_and_read_as_ever(
    line: bytes, order: Resolution
) -> None:
    assert encoded(order) == line
    assert decoded(line) == order


def line_with(path: str, value: Any) -> bytes:
    """A good settlement, with one field replaced; `...` takes it away."""
    values = json.loads(LINES[0][0])
    *parents, name = path.split(".")
    target = values[parents[0]] if parents else values
    target[name] = value
    if value is ...:
        del target[name]
    return json.dumps(values).encode()


WRONG: dict[str, list[Any]] = {
    "v": [..., None, 0, 2, True, "1", 1.0],
    "order": [..., "place", "", None, ["settle"]],
    "hold": [..., None, 7, [], [HOLD], HOLD[1:], HOLD + "\n", HOLD.upper()],
    "account": [..., None, "7", 7.0, [7], True],
    "reason": [..., None, 7],
    "usage": [..., None, [], 7, "usage"],
    "more": [1],
    "usage.basis": [..., None, "", "guessed", 7],
    "usage.cost": [..., None, "12", 12.0, True, [12], float("nan")],
    "usage.upstream": [..., "12", 12.0, False],
    "usage.prompt_tokens": [..., None, "3", 3.5],
    "usage.components": [..., None, [], {"a": None}, {"a": "1"}, {"a": 0.5}],
    "usage.upstream_id": [..., None, 7],
    "usage.streamed": [..., None, 1, "true"],
    "usage.duration_ms": [..., None, 8.0],
    "usage.flags": [..., None, "cut", [7], {"cut": 1}],
    "usage.price": [12],
}


@pytest.mark.parametrize(
    ("path", "value"),
    [(path, value) for path, values in WRONG.items() for value in values],
)
def test_a_field_of_another_type_is_refused(path: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decoded(line_with(path, value))


@pytest.mark.parametrize(
    "line",
    [b"", b"[]", b"null", b"?", b"\xff", b"{}", b"[" * 100_000, b'{"v": 1'],
)
def test_what_is_no_order_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decoded(line)


def test_a_refusal_says_which_version_is_known() -> None:
    with pytest.raises(ValueError, match="version 2, and only 1 is known here"):
        decoded(line_with("v", 2))
