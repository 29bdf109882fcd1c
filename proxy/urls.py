"""The gateway's routes. What is not here is answered 404 in OpenAI's shape."""

from __future__ import annotations

from django.urls import path, re_path

from proxy.operations import OPERATIONS, videos
from proxy.views import jobs as job_views
from proxy.views import questions as question_views
from proxy.views import spend
from proxy.views import videos as video_views

spending = [
    path(f"v1/{operation.route}", spend.SpendingView.as_view(operation=operation))
    for operation in OPERATIONS
]
free = [
    # Whatever is asked for there: what is no id of ours is a job that does not exist.
    re_path(r"^v1/jobs/(?P<job_id>(?s:.*))\Z", job_views.JobView.as_view()),
    re_path(
        r"^v1/videos/(?P<video_id>video_(?s:.*))/content\Z",
        video_views.VideoContentView.as_view(operation=videos.NAME),
    ),
    re_path(
        r"^v1/videos/(?P<video_id>video_(?s:.*))\Z",
        video_views.VideoView.as_view(operation=videos.NAME),
    ),
    path("v1/models", spend.ModelsView.as_view()),
    path("v1/models/<path:model>", spend.ModelView.as_view()),
    path("v1/key", question_views.KeyView.as_view()),
    path("v1/quote", question_views.QuoteView.as_view()),
    path("v1/requests/<path:request_id>", question_views.RequestView.as_view()),
]
urlpatterns = spending + free
