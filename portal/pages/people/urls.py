"""URLs of people and organizations."""

from __future__ import annotations

from django.contrib.auth.views import LogoutView
from django.urls import URLPattern, URLResolver, path

from portal.pages.people import account, home, settings

urlpatterns: list[URLPattern | URLResolver] = [
    path("", home.home, name="home"),
    path("account/sign-in", account.SignIn.as_view(), name="sign-in"),
    path("account/sign-out", LogoutView.as_view(), name="sign-out"),
    path("account/password", account.PasswordChange.as_view(), name="password"),
    path("o/<slug:slug>/settings/", settings.settings_page, name="settings"),
]
