"""A call that was accepted: its whole answer and its price, decided at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from proxy.sandbox.catalogue import Model
from proxy.sandbox.failures import Marks


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    operation: str
    model: Model
    marks: Marks
    output: dict[str, Any]  # the reply without its model and usage
    breakdown: dict[str, int]  # whole credits
    tokens: dict[str, int] = field(default_factory=dict)  # media are not counted so
    # The contract gives embeddings no credits, so a caller must know their price.
    names_credits: bool = True

    @property
    def credits(self) -> int:
        return sum(self.breakdown.values())

    def body(self) -> dict[str, Any]:
        """The reply without usage: what a job hands out as its `outputData`."""
        tier = {"model_tier": self.model.tier} if self.names_credits else {}
        return {**self.output, "model": self.model.id, **tier}

    def usage(self) -> dict[str, Any]:
        """The contract's Usage."""
        if not self.names_credits:
            return self.tokens
        charge = {"credits_used": self.credits, "credits_breakdown": self.breakdown}
        return self.tokens | charge

    def reply(self) -> dict[str, Any]:
        return {**self.body(), "usage": self.usage()}

    def entry(
        self, call_id: str, *, stream: bool = False, cut: bool = False
    ) -> dict[str, Any]:
        """The journal's line: figures and ids, never a prompt."""
        return {
            "id": call_id,
            "operation": self.operation,
            "model": self.model.id,
            "prompt_tokens": self.tokens.get("prompt_tokens", 0),
            "completion_tokens": self.tokens.get("completion_tokens", 0),
            "credits": self.credits,
            "stream": stream,
            "cut": cut,
        }
