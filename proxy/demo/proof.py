"""Our charges against the upstream's own journal, call by call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from billing.models import UsageRecord
from billing.values.orders import CREDIT


@dataclass(frozen=True, slots=True)
class Comparison:
    """Credits on both sides, and the ids of the calls where they differ."""

    calls: int
    our_credits: int
    journal_credits: int
    differing: list[str]

    @property
    def equal(self) -> bool:
        return not self.differing and self.our_credits == self.journal_credits


def journal(base_url: str, key: str, *, since: int = 0) -> dict[str, Any]:
    """The sandbox's journal from its entry number `since` on."""
    root = base_url.removesuffix("/api/v1")
    reply = httpx.get(
        f"{root}/journal",
        params={"since": since},
        headers={"authorization": f"Bearer {key}"},
        timeout=30,
        trust_env=False,
    )
    reply.raise_for_status()
    found: dict[str, Any] = reply.json()
    return found


def compare(account_id: int, entries: list[dict[str, Any]]) -> Comparison:
    """Every journal entry against our record of the same call."""
    theirs = {entry["id"]: entry["credits"] * CREDIT for entry in entries}
    records = UsageRecord.objects.filter(account_id=account_id)
    ours = {
        record.upstream_id: record.price_micros
        for record in records
        if record.upstream_id in theirs
    }
    differing = [name for name in theirs if ours.get(name) != theirs[name]]
    return Comparison(
        calls=len(theirs),
        our_credits=sum(ours.values()) // CREDIT,
        journal_credits=sum(theirs.values()) // CREDIT,
        differing=differing,
    )
