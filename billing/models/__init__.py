"""The tables of the ledger. Only `billing` writes to them, through its operations."""

from __future__ import annotations

from billing.models.account import Account, Spender
from billing.models.attempt import Attempt
from billing.models.grant import Grant
from billing.models.hold import Hold, HoldLot, Lease
from billing.models.learned_bound import LearnedBound, Pause
from billing.models.tariff import Tariff
from billing.models.transfer import Entry, Transfer
from billing.models.usage import UsageComponent, UsageRecord, UsageRollup

__all__ = [
    "Account",
    "Attempt",
    "Entry",
    "Grant",
    "Hold",
    "HoldLot",
    "LearnedBound",
    "Lease",
    "Pause",
    "Spender",
    "Tariff",
    "Transfer",
    "UsageComponent",
    "UsageRecord",
    "UsageRollup",
]
