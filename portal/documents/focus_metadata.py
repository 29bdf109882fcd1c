"""What stands beside a FOCUS file: which version it is, what its columns are, who made
it, and its digest. By the specification's metadata (1.1 and later); `x_…` are ours."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson

from billing.reports.periods import Range
from billing.values import clock
from portal.documents.columns import Column, Type, second_text
from portal.documents.kinds import Kind
from portal.documents.sources import focus_columns
from portal.documents.write import Written
from portal.models import Export, Organization

GENERATOR = "Tollgate"
SCHEMA: dict[Kind, tuple[str, str, tuple[Column, ...]]] = {
    Kind.FOCUS: ("1.2", "CostAndUsage", focus_columns.COLUMNS_1_2),
    Kind.FOCUS_1_4: ("1.4", "CostAndUsage", focus_columns.COLUMNS_1_4),
    Kind.FOCUS_INVOICES: ("1.4", "InvoiceDetail", focus_columns.INVOICE_DETAIL),
    Kind.FOCUS_PERIODS: ("1.4", "BillingPeriod", focus_columns.BILLING_PERIOD),
}
JSON_COLUMNS = {"Tags", "SkuPriceDetails", "InvoiceDetailGrain"}
TYPES: dict[Type, dict[str, Any]] = {
    Type.TEXT: {"DataType": "STRING", "StringEncoding": "UTF-8"},
    Type.PLAIN: {"DataType": "STRING", "StringEncoding": "UTF-8"},
    Type.INT: {"DataType": "INTEGER"},
    # Six decimals of a credit times eight of its price.
    Type.DECIMAL: {"DataType": "DECIMAL", "NumericPrecision": 38, "NumberScale": 14},
    Type.INSTANT: {"DataType": "DATETIME"},
}
ENDING = ".metadata.json"


def describe(
    organization: Organization, kind: Kind, span: Range, name: str, written: Written
) -> bytes | None:
    """Of the file of that name; none where it is no FOCUS."""
    if kind not in SCHEMA:
        return None
    version, dataset, columns = SCHEMA[kind]
    defined = [_define(column) for column in columns]
    digest = hashlib.sha256(orjson.dumps([version, dataset, defined])).hexdigest()
    told = {
        "SchemaId": f"{dataset}-{version}-{digest[:16]}",
        "FocusVersion": version,
        "CreationDate": second_text(clock.now()),
        "DataGenerator": GENERATOR,
        "ColumnDefinition": defined,
        "x_Dataset": dataset,
        "x_BillingAccountId": organization.slug,
        "x_From": second_text(span.start),
        "x_Until": second_text(span.end),
        "x_File": name,
        "x_Rows": written.rows,
        "x_Bytes": written.bytes,
        "x_Sha256": written.sha256,
    }
    return orjson.dumps(told, option=orjson.OPT_INDENT_2)


def of_export(export: Export, name: str) -> bytes | None:
    """The same of an export that is ready, whose file is handed out by that name."""
    span = Range(export.since, export.until)
    written = Written(export.rows, export.bytes, export.sha256)
    return describe(export.organization, Kind(export.kind), span, name, written)


def _define(column: Column) -> dict[str, Any]:
    if column.name in JSON_COLUMNS:
        return {"ColumnName": column.name, "DataType": "JSON"}
    return {"ColumnName": column.name, **TYPES[column.type]}
