"""URLs of the gateway's own pages: jobs, models and prices."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from proxy.pages import jobs, models

urlpatterns: list[URLPattern | URLResolver] = [
    path("o/<slug:slug>/jobs/", jobs.job_list, name="jobs"),
    path("o/<slug:slug>/jobs/<str:job_id>/", jobs.job_page, name="job"),
    path("o/<slug:slug>/models/", models.model_page, name="models"),
]
