"""The kinds of exports and their formats: what each has in it, and who may see it."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from billing.reports.periods import Range
from portal.documents.columns import Source
from portal.documents.sources import focus, records, usage
from portal.models import Organization
from portal.tenants.roles import Permission


class Kind(StrEnum):
    """What is exported."""

    USAGE = "usage"
    USAGE_DAYS = "usage_days"
    LEDGER = "ledger"
    TOPUPS = "topups"
    AUDIT = "audit"
    FOCUS = "focus"  # 1.2
    FOCUS_1_4 = "focus_1_4"
    FOCUS_INVOICES = "focus_invoices"  # Invoice Detail, of 1.4
    FOCUS_PERIODS = "focus_periods"  # Billing Period, of 1.4


class Format(StrEnum):
    """How it is written; also the file's ending."""

    CSV = "csv"
    JSONL = "jsonl"
    XLSX = "xlsx"
    PARQUET = "parquet"


Make = Callable[[Organization, Range], Source]
SOURCES: dict[Kind, Make] = {
    Kind.USAGE: usage.calls,
    Kind.USAGE_DAYS: usage.days,
    Kind.LEDGER: records.entries,
    Kind.TOPUPS: records.top_ups,
    Kind.AUDIT: records.audit,
    Kind.FOCUS: focus.cost_and_usage_1_2,
    Kind.FOCUS_1_4: focus.cost_and_usage_1_4,
    Kind.FOCUS_INVOICES: focus.invoice_detail,
    Kind.FOCUS_PERIODS: focus.billing_period,
}
# Any one of these rights is enough.
RIGHTS: dict[Kind, tuple[Permission, ...]] = {
    Kind.USAGE: (Permission.SEE_USAGE,),
    Kind.USAGE_DAYS: (Permission.SEE_USAGE,),
    Kind.LEDGER: (Permission.SEE_MONEY,),
    Kind.TOPUPS: (Permission.SEE_MONEY,),
    Kind.AUDIT: (Permission.SEE_AUDIT,),
    Kind.FOCUS: (Permission.SEE_MONEY,),
    Kind.FOCUS_1_4: (Permission.SEE_MONEY,),
    Kind.FOCUS_INVOICES: (Permission.SEE_MONEY,),
    Kind.FOCUS_PERIODS: (Permission.SEE_MONEY,),
}
WORDS: dict[Kind, str] = {
    Kind.USAGE: "Usage, every call",
    Kind.USAGE_DAYS: "Usage by day, key, project and model",
    Kind.LEDGER: "Ledger, every entry",
    Kind.TOPUPS: "Credits bought",
    Kind.AUDIT: "Audit trail",
    Kind.FOCUS: "FOCUS 1.2, cost and usage",
    Kind.FOCUS_1_4: "FOCUS 1.4, cost and usage",
    Kind.FOCUS_INVOICES: "FOCUS 1.4, invoice detail",
    Kind.FOCUS_PERIODS: "FOCUS 1.4, billing periods",
}
FORMAT_WORDS: dict[Format, str] = {
    Format.CSV: "CSV",
    Format.JSONL: "JSON lines",
    Format.XLSX: "Excel (XLSX)",
    Format.PARQUET: "Parquet",
}
CONTENT_TYPES: dict[Format, str] = {
    Format.CSV: "text/csv; charset=utf-8",
    Format.JSONL: "application/jsonl; charset=utf-8",
    Format.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    Format.PARQUET: "application/vnd.apache.parquet",
}
