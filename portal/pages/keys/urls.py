"""URLs of API keys."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from portal.pages.keys import keys

urlpatterns: list[URLPattern | URLResolver] = [
    path("o/<slug:slug>/keys/", keys.key_list, name="keys"),
    path("o/<slug:slug>/keys/new", keys.key_create, name="key-create"),
    path("o/<slug:slug>/keys/<uuid:key_id>/rotate", keys.key_rotate, name="key-rotate"),
    path("o/<slug:slug>/keys/<uuid:key_id>/revoke", keys.key_revoke, name="key-revoke"),
]
