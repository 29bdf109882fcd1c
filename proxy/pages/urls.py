"""URLs of the gateway's own pages, which `settings.PAGES_ABOVE` names."""

from __future__ import annotations

from django.urls import path

from proxy.pages import models

urlpatterns = [
    path("o/<slug:slug>/models/", models.model_page, name="models"),
]
