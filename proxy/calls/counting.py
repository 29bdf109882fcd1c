"""How much of an answer was delivered, counted by us where the upstream does not say.

Such a count is an estimate, and is charged as one (`basis` estimated).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeGuard

from billing.pricing.rates import Units

BYTES_PER_TOKEN = 4  # English text; estimates only
# JSON's numbers are exact up to here, and sums of a few of them can be written.
COUNT_MAX = 2**53 - 1


def is_count(value: Any) -> TypeGuard[int]:
    """Whether it is a whole number of something; true and false are none."""
    return type(value) is int and 0 <= value <= COUNT_MAX


def tokens(text_bytes: int) -> int:
    """Tokens in so many bytes of text, rounded up."""
    return -(-text_bytes // BYTES_PER_TOKEN)


def delivered_bytes(document: dict[str, Any], part: str) -> int:
    """Bytes of answer in a reply's `message`s, or in one event's `delta`s."""
    choices = document.get("choices")
    delivered = 0
    for choice in choices if isinstance(choices, list) else ():
        fields = choice.get(part) if isinstance(choice, dict) else None
        if isinstance(fields, dict):
            for name, value in fields.items():
                if name != "role" and value:
                    delivered += len(str(value).encode())
    return delivered


def with_answer(least: Units, answer_bytes: int) -> Units:
    """`least`, which the request surely used, and the tokens of the answer."""
    return replace(least, completion_tokens=tokens(answer_bytes))
