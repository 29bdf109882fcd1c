"""The portal's URLs. `/v1` never comes here: `portal/asgi.py` sends it elsewhere; and
`portal/runtime/health.py` answers those who watch."""

from __future__ import annotations

from django.contrib.auth.views import LogoutView
from django.urls import URLPattern, URLResolver, path

from portal.pages import account, home, keys, overview, settings

urlpatterns: list[URLPattern | URLResolver] = [
    path("", home.home, name="home"),
    path("account/sign-in", account.SignIn.as_view(), name="sign-in"),
    path("account/sign-out", LogoutView.as_view(), name="sign-out"),
    path("account/password", account.PasswordChange.as_view(), name="password"),
    path("o/<slug:slug>/", overview.overview, name="overview"),
    path("o/<slug:slug>/keys/", keys.key_list, name="keys"),
    path("o/<slug:slug>/keys/new", keys.key_create, name="key-create"),
    path("o/<slug:slug>/keys/<uuid:key_id>/rotate", keys.key_rotate, name="key-rotate"),
    path("o/<slug:slug>/keys/<uuid:key_id>/revoke", keys.key_revoke, name="key-revoke"),
    path("o/<slug:slug>/settings/", settings.settings_page, name="settings"),
]
