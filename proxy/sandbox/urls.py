"""The sandbox's paths: the upstream's under `/api/v1`, its media, its journal."""

from __future__ import annotations

from django.urls import path

from proxy.sandbox import views

urlpatterns = [
    path("api/v1/chat/completions", views.create_chat_completion),
    path("api/v1/embeddings", views.create_embedding),
    path("api/v1/images/generations", views.create_image),
    path("api/v1/images/edits", views.edit_image),
    path("api/v1/videos/generations", views.create_video),
    path("api/v1/audio/speech", views.create_speech),
    path("api/v1/audio/transcriptions", views.create_transcription),
    path("api/v1/music/generations", views.create_music),
    path("api/v1/jobs/<str:job_id>", views.read_job),
    path("api/v1/models", views.list_models),
    path("media/<str:name>", views.read_media),
    path("journal", views.read_journal),
]
