"""Finished calls of an organization, written past the ledger but as it would have: the
records, the transfers with their entries, and the sums of a quarter of an hour."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from billing.models import (
    Account,
    Entry,
    Hold,
    Spender,
    Transfer,
    UsageRecord,
    UsageRollup,
)
from billing.models.grant import Burn, Grant
from billing.values.orders import CREDIT
from tests.pages import bulk

SEED = 20261127
SPAN = timedelta(days=180)
MODELS = (
    *("openai/gpt-4o", "openai/gpt-4o-mini", "anthropic/claude", "google/gemini-flash"),
    *("fal-ai/flux/dev", "whisper-large", "meta/llama-70b", "mistral/small"),
)
OPERATIONS = ("chat.completions", "embeddings", "images.generations")
CLIENTS = ("openai-python", "openai-node", "langchain", "curl", "")
QUARTER = timedelta(minutes=15)
CALLER = (
    *("account_id", "spender_id", "project_id", "holder_id", "spender_label"),
    *("project_label", "holder_label", "client", "session", "operation", "model"),
)
OF_HOLD = (
    *("id", *CALLER, "price_factor_ppm", "state", "amount_micros", "placed_at"),
    *("due_at", "changed_at", "reason"),
)
OF_RECORD = (
    *("hold_id", *CALLER, "basis", "price_micros", "charged_micros", "prompt_tokens"),
    *("completion_tokens", "duration_ms", "settled_at"),
)
OF_TRANSFER = (
    *("id", "source_id", "destination_id", "source_tenant_id"),
    *("destination_tenant_id", "amount_micros", "reference", "hold_id"),
    *("kind", "source_kind", "destination_kind", "created_at"),
)
OF_ENTRY = (
    *("account_id", "version", "transfer_id", "amount_micros"),
    *("balance_after_micros", "created_at"),
)
OF_BURN = ("transfer_id", "grant_id", "amount_micros")


@dataclass
class Ledger:
    """What is written while the calls go by, a list for each table."""

    holds: list[Any] = field(default_factory=list)
    records: list[Any] = field(default_factory=list)
    transfers: list[Any] = field(default_factory=list)
    entries: list[Any] = field(default_factory=list)
    burns: list[Any] = field(default_factory=list)

    def write(self) -> None:
        bulk.write(Hold, OF_HOLD, self.holds)
        bulk.write(UsageRecord, OF_RECORD, self.records)
        bulk.write(Transfer, OF_TRANSFER, self.transfers)
        bulk.write(Entry, OF_ENTRY, self.entries)
        bulk.write(Burn, OF_BURN, self.burns)
        for rows in vars(self).values():
            rows.clear()


def write(
    account: Account, spenders: Sequence[Spender], count: int, now: datetime
) -> None:
    """`count` calls over the last `SPAN`, of few keys most and of most keys few."""
    chance = random.Random(SEED + account.id)
    ledger, sums = Ledger(), dict[Any, list[int]]()
    books = _Books(account)
    for number, row in enumerate(_calls(chance, account, spenders, count, now)):
        _book(ledger, sums, books, row)
        if number % bulk.AT_ONCE == bulk.AT_ONCE - 1:
            ledger.write()
    ledger.write()
    _write_sums(sums)
    books.close(now)


class _Books:
    """Two accounts and a grant, as they are between two calls."""

    def __init__(self, account: Account) -> None:
        assert account.usage_account is not None
        self.account, self.usage = account, account.usage_account
        self.grant = Grant.objects.filter(account=account).latest("id")

    def close(self, now: datetime) -> None:
        for account in (self.account, self.usage):
            account.last_entry_at = now
            account.save()
        self.grant.save()


def _calls(
    chance: random.Random,
    account: Account,
    spenders: Sequence[Spender],
    count: int,
    now: datetime,
) -> Iterator[tuple[Any, ...]]:
    """(id, caller's columns, placed at, charged or None, duration in ms), in time."""
    labels = [
        (
            s,
            s.label,
            s.project.label if s.project else "",
            s.holder.label if s.holder else "",
        )
        for s in spenders
    ]
    for number in range(count):
        spender, *names = labels[int(len(labels) * chance.random() ** 4)]
        session = f"session-{number % 97}" if number % 10 == 0 else ""
        caller = (
            *(account.id, spender.id, spender.project_id, spender.holder_id, *names),
            *(CLIENTS[int(5 * chance.random() ** 2)], session),
            *(chance.choice(OPERATIONS), MODELS[int(8 * chance.random() ** 2)]),
        )
        at = now - SPAN + SPAN * (number + 1) / (count + 1)
        charged = chance.randrange(1, 4 * CREDIT) if chance.random() > 0.03 else None
        id_ = UUID(int=chance.getrandbits(128))
        yield id_, caller, at, charged, chance.randrange(200, 20_000)


def _book(ledger: Ledger, sums: dict[Any, list[int]], books: _Books, row: Any) -> None:
    id_, caller, at, charged, took = row
    done = at + timedelta(milliseconds=took)
    state, reason = ("settled", "") if charged else ("released", "upstream_refused")
    held = 4 * CREDIT
    ledger.holds.append((id_, *caller, 1_000_000, state, held, at, done, done, reason))
    if not charged:
        return
    tokens = (charged // 997, charged // 1499)
    ledger.records.append(
        (id_, *caller, "upstream", charged, charged, *tokens, took, done)
    )
    account, usage = books.account, books.usage
    account.version, usage.version = account.version + 1, usage.version + 1
    account.balance_micros -= charged
    usage.balance_micros += charged
    books.grant.remaining_micros -= charged
    kinds = ("usage", "organization", "usage", done)
    ends = (account.id, usage.id, account.id, account.id)
    ledger.transfers.append((id_, *ends, charged, f"usage:{id_.hex}", id_, *kinds))
    ledger.entries += [
        (account.id, account.version, id_, -charged, account.balance_micros, done),
        (usage.id, usage.version, id_, charged, usage.balance_micros, done),
    ]
    ledger.burns.append((id_, books.grant.id, charged))
    quarter = done - timedelta(
        minutes=done.minute % 15, seconds=done.second, microseconds=done.microsecond
    )
    _, spender, project, holder, _, _, _, client, _, operation, model = caller
    group = (account.id, quarter, spender, project, holder, operation, model, client)
    found = sums.setdefault(group, [0, 0, 0, 0])
    for index, amount in enumerate((1, *tokens, charged)):
        found[index] += amount


def _write_sums(sums: dict[Any, list[int]]) -> None:
    columns = (
        *("account_id", "starts_at", "spender_id", "project_id", "holder_id"),
        *("operation", "model", "client", "basis", "requests", "prompt_tokens"),
        *("completion_tokens", "price_micros", "charged_micros", "absorbed_micros"),
    )
    bulk.write(
        UsageRollup,
        columns,
        ((*group, "upstream", *found, found[3], 0) for group, found in sums.items()),
    )
