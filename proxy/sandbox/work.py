"""A call that was accepted: its whole answer and its price, decided at once.

Every operation but chat makes one of these from a request; it is then delivered at
once or becomes a job.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from proxy.sandbox.catalogue import Model
from proxy.sandbox.failures import Marks
from proxy.sandbox.journal import JournalEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    operation: str
    model: Model
    marks: Marks
    output: dict[str, Any]  # the reply without its model and usage
    breakdown: dict[str, int]  # whole credits
    prompt_tokens: int = 0  # media are not counted in tokens

    @property
    def credits(self) -> int:
        return sum(self.breakdown.values())

    def body(self) -> dict[str, Any]:
        """The reply without usage: what a job hands out as its `outputData`."""
        model = {"model": self.model.id, "model_tier": self.model.tier}
        return {**self.output, **model}

    def usage(self) -> dict[str, Any]:
        """The contract's Usage."""
        return {"credits_used": self.credits, "credits_breakdown": self.breakdown}

    def reply(self) -> dict[str, Any]:
        return {**self.body(), "usage": self.usage()}

    def entry(self, call_id: str) -> JournalEntry:
        return JournalEntry(
            id=call_id,
            operation=self.operation,
            model=self.model.id,
            prompt_tokens=self.prompt_tokens,
            credits=self.credits,
        )
