"""The sandbox's paths: the upstream's under `/api/v1`, its media, its journal."""

from __future__ import annotations

from django.urls import path

from proxy.sandbox import views
from proxy.sandbox.operations import OPERATIONS

urlpatterns = [
    path("api/v1/chat/completions", views.create_chat_completion),
    *(path(f"api/v1/{route}", views.creating(route)) for route in OPERATIONS),
    path("api/v1/jobs/<str:job_id>", views.read_job),
    path("api/v1/models", views.list_models),
    path("media/<str:name>", views.read_media),
    path("journal", views.read_journal),
]
