"""The kinds of exports and their formats: what each has in it, and who may see it."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from billing.reports.periods import Range
from portal.documents.columns import Source
from portal.documents.sources import records, usage
from portal.models import Organization
from portal.tenants.roles import Permission


class Kind(StrEnum):
    """What is exported."""

    USAGE = "usage"
    USAGE_DAYS = "usage_days"
    LEDGER = "ledger"
    TOPUPS = "topups"
    AUDIT = "audit"


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
}
# Any one of these rights is enough.
RIGHTS: dict[Kind, tuple[Permission, ...]] = {
    Kind.USAGE: (Permission.SEE_USAGE,),
    Kind.USAGE_DAYS: (Permission.SEE_USAGE,),
    Kind.LEDGER: (Permission.SEE_MONEY,),
    Kind.TOPUPS: (Permission.SEE_MONEY,),
    Kind.AUDIT: (Permission.SEE_AUDIT,),
}
WORDS: dict[Kind, str] = {
    Kind.USAGE: "Usage, every call",
    Kind.USAGE_DAYS: "Usage by day, key, project and model",
    Kind.LEDGER: "Ledger, every entry",
    Kind.TOPUPS: "Credits bought",
    Kind.AUDIT: "Audit trail",
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
