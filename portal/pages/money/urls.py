"""URLs of credits, budgets and prices."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from portal.pages.money import (
    automatic,
    budgets,
    credits,
    explain,
    ledger,
    raises,
    topups,
)

TOP_UPS = "o/<slug:slug>/billing/top-up"
AUTOMATIC = "o/<slug:slug>/billing/automatic"
EXPLAIN = "o/<slug:slug>/billing/explain"
BUDGETS = "o/<slug:slug>/budgets"
BUDGET = f"{BUDGETS}/<int:budget_id>"
RAISE = f"{BUDGETS}/raises/<int:raise_id>"
REQUEST = f"{BUDGETS}/requests/<int:request_id>"

urlpatterns: list[URLPattern | URLResolver] = [
    path("o/<slug:slug>/billing/credits/", credits.credits_page, name="credits"),
    path(f"{TOP_UPS}/", topups.top_up_page, name="top-up"),
    path(f"{TOP_UPS}/<uuid:order_id>", topups.topup_page, name="topup"),
    path(f"{TOP_UPS}/<uuid:order_id>/ask", topups.topup_ask, name="topup-ask"),
    path(f"{TOP_UPS}/<uuid:order_id>/receipt", topups.receipt_page, name="receipt"),
    path(f"{AUTOMATIC}", automatic.auto_topup_page, name="auto-topup"),
    path(f"{AUTOMATIC}/stop", automatic.auto_topup_stop, name="auto-topup-stop"),
    path(f"{AUTOMATIC}/resume", automatic.auto_topup_resume, name="auto-topup-resume"),
    path("o/<slug:slug>/billing/ledger/", ledger.ledger_page, name="ledger"),
    path(f"{EXPLAIN}/", explain.explain_page, name="explain"),
    path(f"{EXPLAIN}.json", explain.explain_json, name="explain-json"),
    path(f"{EXPLAIN}.zip", explain.explain_zip, name="explain-zip"),
    path(f"{BUDGETS}/", budgets.budget_list, name="budgets"),
    path(f"{BUDGETS}/new", budgets.budget_create, name="budget-create"),
    path(f"{BUDGET}", budgets.budget_page, name="budget"),
    path(f"{BUDGET}/change", budgets.budget_change, name="budget-change"),
    path(f"{BUDGET}/remove", budgets.budget_remove, name="budget-remove"),
    path(f"{BUDGET}/raise", raises.raise_limit, name="budget-raise"),
    path(f"{BUDGET}/ask", raises.ask, name="budget-ask"),
    path(
        f"{BUDGETS}/raises/<int:raise_id>/end",
        raises.end_raise,
        name="budget-raise-end",
    ),
    path(f"{REQUEST}/grant", raises.grant, name="raise-request-grant"),
    path(f"{REQUEST}/refuse", raises.refuse, name="raise-request-refuse"),
    # What a refused call's answer links to: no client knows the slug.
    path("budgets/<int:budget_id>", budgets.budget_link, name="budget-link"),
]
