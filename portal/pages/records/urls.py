"""URLs of what was done."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from portal.pages.records import audit

urlpatterns: list[URLPattern | URLResolver] = [
    path("o/<slug:slug>/settings/audit/", audit.audit_page, name="audit"),
]
