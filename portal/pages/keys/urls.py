"""URLs of API keys and of service accounts."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from portal.pages.keys import key, leaked, limits, listing, new, service_accounts

KEYS = "o/<slug:slug>/keys/"
KEY = f"{KEYS}<uuid:key_id>/"
ACCOUNTS = "o/<slug:slug>/settings/service-accounts/"

urlpatterns: list[URLPattern | URLResolver] = [
    path(KEYS, listing.key_list, name="keys"),
    path(f"{KEYS}several", listing.key_bulk, name="key-bulk"),
    path(f"{KEYS}new", new.key_create, name="key-create"),
    path(KEY, key.key_page, name="key"),
    path(f"{KEY}seen", new.key_seen, name="key-seen"),
    path(f"{KEY}edit", key.key_edit, name="key-edit"),
    path(f"{KEY}state", key.key_state, name="key-state"),
    path(f"{KEY}limits", limits.key_limits, name="key-limits"),
    path(f"{KEY}rotate", key.key_rotate, name="key-rotate"),
    path(
        f"{KEY}secrets/<int:secret_id>/end", key.key_end_secret, name="key-end-secret"
    ),
    path(f"{KEY}revoke", key.key_revoke, name="key-revoke"),
    path(f"{KEY}leaked/", leaked.key_leaked, name="key-leaked"),
    path(ACCOUNTS, service_accounts.account_list, name="service-accounts"),
    path(
        f"{ACCOUNTS}<int:account_id>",
        service_accounts.account_change,
        name="service-account",
    ),
]
