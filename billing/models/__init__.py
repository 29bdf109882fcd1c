"""The tables of the ledger. Only `billing` writes to them, through its operations."""

from __future__ import annotations

from billing.models.account import Account, Spender, Unit
from billing.models.act import Act
from billing.models.amendment import Amendment
from billing.models.attempt import Attempt
from billing.models.auto_topup import AutoTopUp, Buyer, Consent
from billing.models.budget import Budget, BudgetRaise, BudgetWindow, Envelope
from billing.models.checkpoint import Checkpoint
from billing.models.correction import Acknowledgement, Correction
from billing.models.credit_price import CreditPrice
from billing.models.event import Event
from billing.models.grant import Burn, Grant
from billing.models.hold import Hold, Lease
from billing.models.learned_bound import LearnedBound, Pause
from billing.models.payment_event import PaymentEvent, PaymentLook
from billing.models.statement import Statement
from billing.models.tariff import Tariff
from billing.models.topup import TopUp
from billing.models.topup_refund import TopUpRefund
from billing.models.transfer import Entry, Transfer
from billing.models.usage import UsageComponent, UsageRecord, UsageRollup
from billing.models.usage_day import UsageDay, UsageDays

__all__ = [
    "Account",
    "Acknowledgement",
    "Act",
    "Amendment",
    "Attempt",
    "AutoTopUp",
    "Budget",
    "BudgetRaise",
    "BudgetWindow",
    "Burn",
    "Buyer",
    "Checkpoint",
    "Consent",
    "Correction",
    "CreditPrice",
    "Entry",
    "Envelope",
    "Event",
    "Grant",
    "Hold",
    "LearnedBound",
    "Lease",
    "Pause",
    "PaymentEvent",
    "PaymentLook",
    "Spender",
    "Statement",
    "Tariff",
    "TopUp",
    "TopUpRefund",
    "Transfer",
    "Unit",
    "UsageComponent",
    "UsageDay",
    "UsageDays",
    "UsageRecord",
    "UsageRollup",
]
