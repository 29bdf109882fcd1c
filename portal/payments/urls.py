"""URLs of payments that are no pages."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from portal.payments import calls, webhooks

urlpatterns: list[URLPattern | URLResolver] = [
    path("o/<slug:slug>/billing/top-ups.json", calls.buy, name="topup-buy"),
    path("payments/back/<str:topup_id>", calls.back, name="payment-back"),
    path("payments/stripe/webhook", webhooks.stripe_webhook, name="stripe-webhook"),
]
