"""The only place that says what the sandbox charges, in whole credits.

Chat: per 1,000 tokens, each part rounded up to a whole credit of its own.

    tier       prompt  completion
    fast            1           2
    standard        5          10
    premium        10          30

`web_search` adds 5 to a call, each image URL in a message adds 2. With `n` choices
the prompt is charged once and the tokens of all choices together. The parts are
the reply's `credits_breakdown` and always sum to `credits_used`; the prompt part is
at least 1, and so is the charge.

Embeddings: 1 credit per 1,000 tokens over all inputs, rounded up, at least 1.
"""

from __future__ import annotations

RATES = {"fast": (1, 2), "standard": (5, 10), "premium": (10, 30)}
EMBEDDING_RATE = 1
WEB_SEARCH = 5
IMAGE = 2


def part(tokens: int, rate: int) -> int:
    """ceil(tokens × rate / 1000) in integers."""
    return -(-tokens * rate // 1000)


def chat(
    tier: str, *, prompt: int, completion: int, images: int, web_search: bool
) -> dict[str, int]:
    """The breakdown of one chat call, from its counts."""
    prompt_rate, completion_rate = RATES[tier]
    breakdown = {
        "prompt": max(1, part(prompt, prompt_rate)),
        "completion": part(completion, completion_rate),
    }
    if web_search:
        breakdown["web_search"] = WEB_SEARCH
    if images:
        breakdown["images"] = images * IMAGE
    return breakdown


def embedding(tokens: int) -> int:
    return max(1, part(tokens, EMBEDDING_RATE))
