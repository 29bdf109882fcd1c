"""URLs of people and organizations."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from portal.pages.people import home, security, settings

urlpatterns: list[URLPattern | URLResolver] = [
    path("", home.home, name="home"),
    path("o/<slug:slug>/settings/", settings.settings_page, name="settings"),
    path("o/<slug:slug>/settings/security/", security.security_page, name="security"),
]
