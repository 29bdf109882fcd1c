"""URLs of credits, budgets and prices."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from portal.pages.money import explain

EXPLAIN = "o/<slug:slug>/billing/explain"

urlpatterns: list[URLPattern | URLResolver] = [
    path(f"{EXPLAIN}/", explain.explain_page, name="explain"),
    path(f"{EXPLAIN}.json", explain.explain_json, name="explain-json"),
    path(f"{EXPLAIN}.zip", explain.explain_zip, name="explain-zip"),
]
