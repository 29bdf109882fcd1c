"""URLs of what was used."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from portal.pages.usage import activity, overview, request, runs, usage, views

urlpatterns: list[URLPattern | URLResolver] = [
    path("o/<slug:slug>/", overview.overview, name="overview"),
    path("o/<slug:slug>/activity/", activity.activity_page, name="activity"),
    path(
        "o/<slug:slug>/activity/<str:request_id>/",
        request.request_page,
        name="request",
    ),
    path("o/<slug:slug>/runs/", runs.run_list, name="runs"),
    path("o/<slug:slug>/usage/", usage.usage_page, name="usage"),
    path("o/<slug:slug>/usage/views/", views.view_list, name="usage-views"),
    path("o/<slug:slug>/usage/views/new", views.view_save, name="usage-view-save"),
    path(
        "o/<slug:slug>/usage/views/<int:view_id>",
        views.view_change,
        name="usage-view",
    ),
    path(
        "o/<slug:slug>/usage/views/<int:view_id>/delete",
        views.view_delete,
        name="usage-view-delete",
    ),
]
