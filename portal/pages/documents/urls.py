"""URLs of statements, receipts, exports and costs."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from portal.pages.documents import costs, exports, statements

STATEMENTS = "o/<slug:slug>/billing/statements"
EXPORTS = "o/<slug:slug>/exports"

urlpatterns: list[URLPattern | URLResolver] = [
    path(f"{STATEMENTS}/", statements.statement_list, name="statements"),
    path(f"{STATEMENTS}/<slug:month>/", statements.statement_page, name="statement"),
    path(
        f"{STATEMENTS}/<slug:month>.json",
        statements.statement_json,
        name="statement-json",
    ),
    path(
        f"{STATEMENTS}/<slug:month>.pdf", statements.statement_pdf, name="statement-pdf"
    ),
    path(f"{STATEMENTS}/<slug:month>/close", statements.month_end, name="month-end"),
    path(
        "o/<slug:slug>/billing/receipts/<int:number>.pdf",
        statements.receipt_pdf,
        name="receipt-pdf",
    ),
    path(f"{EXPORTS}/", exports.export_list, name="exports"),
    path(f"{EXPORTS}/schedules/", exports.schedule_list, name="export-schedules"),
    path(
        f"{EXPORTS}/schedules/<int:schedule_id>/delete",
        exports.schedule_delete,
        name="export-schedule-delete",
    ),
    path(
        f"{EXPORTS}/<uuid:export_id>/download",
        exports.export_download,
        name="export-download",
    ),
    path(
        f"{EXPORTS}/<uuid:export_id>/metadata.json",
        exports.export_metadata,
        name="export-metadata",
    ),
    path(
        "o/<slug:slug>/projects/<int:pk>/costs",
        costs.project_costs,
        name="project-costs",
    ),
    path("o/<slug:slug>/keys/<uuid:key_id>/costs", costs.key_costs, name="key-costs"),
]
