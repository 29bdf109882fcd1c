"""URLs of what was used."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from portal.pages.usage import overview

urlpatterns: list[URLPattern | URLResolver] = [
    path("o/<slug:slug>/", overview.overview, name="overview"),
]
