"""URLs of what every page has: the search, the theme."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from portal.pages.parts import palette, theme

urlpatterns: list[URLPattern | URLResolver] = [
    path("theme", theme.choose, name="theme"),
    path("o/<slug:slug>/search", palette.search, name="search"),
]
