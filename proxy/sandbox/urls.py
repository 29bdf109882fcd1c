"""The sandbox's paths: the upstream's under `/api/v1`, and its journal."""

from __future__ import annotations

from django.urls import path

from proxy.sandbox import views

urlpatterns = [
    path("api/v1/chat/completions", views.create_chat_completion),
    path("api/v1/embeddings", views.create_embedding),
    path("api/v1/models", views.list_models),
    path("journal", views.read_journal),
]
