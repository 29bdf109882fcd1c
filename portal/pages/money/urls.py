"""URLs of credits, budgets and prices."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from portal.pages.money import credits, explain, ledger

EXPLAIN = "o/<slug:slug>/billing/explain"

urlpatterns: list[URLPattern | URLResolver] = [
    path("o/<slug:slug>/billing/credits/", credits.credits_page, name="credits"),
    path("o/<slug:slug>/billing/ledger/", ledger.ledger_page, name="ledger"),
    path(f"{EXPLAIN}/", explain.explain_page, name="explain"),
    path(f"{EXPLAIN}.json", explain.explain_json, name="explain-json"),
    path(f"{EXPLAIN}.zip", explain.explain_zip, name="explain-zip"),
]
