"""The gateway's routes. What is not here is answered 404 in OpenAI's shape."""

from __future__ import annotations

from django.urls import path

from proxy import views

urlpatterns = [
    path("v1/chat/completions", views.ChatCompletionsView.as_view()),
    path("v1/embeddings", views.EmbeddingsView.as_view()),
    path("v1/models", views.ModelsView.as_view()),
    path("v1/models/<path:model>", views.ModelView.as_view()),
]
