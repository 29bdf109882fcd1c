"""URLs of alerts and webhooks."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from portal.pages.notices import alerts, chats, deliveries, webhook_changes, webhooks

ALERTS = "o/<slug:slug>/alerts/"
WEBHOOKS = "o/<slug:slug>/webhooks/"
WEBHOOK = f"{WEBHOOKS}<uuid:endpoint_id>/"
DELIVERY = f"{WEBHOOK}deliveries/<int:delivery_id>/"

urlpatterns: list[URLPattern | URLResolver] = [
    path(ALERTS, alerts.alerts_page, name="alerts"),
    path(f"{ALERTS}test", alerts.alerts_test, name="alerts-test"),
    path(f"{ALERTS}chats/new", chats.chat_create, name="chat-create"),
    path(f"{ALERTS}chats/<uuid:chat_id>/change", chats.chat_change, name="chat-change"),
    path(WEBHOOKS, webhooks.webhook_list, name="webhooks"),
    path(f"{WEBHOOKS}new", webhook_changes.webhook_create, name="webhook-create"),
    path(WEBHOOK, webhooks.webhook_page, name="webhook"),
    path(f"{WEBHOOK}edit", webhook_changes.webhook_edit, name="webhook-edit"),
    path(f"{WEBHOOK}rotate", webhook_changes.webhook_rotate, name="webhook-rotate"),
    path(f"{WEBHOOK}change", webhook_changes.webhook_change, name="webhook-change"),
    path(DELIVERY, deliveries.delivery_page, name="delivery"),
    path(f"{DELIVERY}replay", deliveries.delivery_replay, name="delivery-replay"),
]
