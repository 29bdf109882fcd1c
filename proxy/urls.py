"""The gateway's routes. Any other path gets a 404 in OpenAI's shape."""

from __future__ import annotations

from django.urls import path, re_path

from proxy.operations import OPERATIONS
from proxy.views.credits import CreditsView
from proxy.views.envelopes import EnvelopesView, EnvelopeView
from proxy.views.jobs import JobView
from proxy.views.key import KeyView
from proxy.views.models import ModelsView, ModelView
from proxy.views.quote import QuoteView
from proxy.views.requests import RequestView
from proxy.views.spend import SpendingView
from proxy.views.usage import UsageView
from proxy.views.videos import VideoContentView, VideoView
from proxy.views.webhooks import (
    EndpointsView,
    EndpointView,
    EventTypesView,
    RotateView,
    TestView,
)

spending = [
    path(f"v1/{operation.route}", SpendingView.as_view(operation=operation))
    for operation in OPERATIONS
]
# The patterns of ids take any text, with slashes and line ends: an id that we did not
# issue gets the same 404 as a missing job.
VIDEO = r"^v1/videos/(?P<video_id>video_(?s:.*))"
WEBHOOK = r"^v1/webhook_endpoints/(?P<endpoint_id>(?s:.+?))"
free = [
    path("v1/webhook_endpoints", EndpointsView.as_view()),
    path("v1/webhook_event_types", EventTypesView.as_view()),
    re_path(rf"{WEBHOOK}/rotate_secret\Z", RotateView.as_view()),
    re_path(rf"{WEBHOOK}/test\Z", TestView.as_view()),
    re_path(rf"{WEBHOOK}\Z", EndpointView.as_view()),
    re_path(r"^v1/jobs/(?P<job_id>(?s:.*))\Z", JobView.as_view()),
    re_path(rf"{VIDEO}/content\Z", VideoContentView.as_view()),
    re_path(rf"{VIDEO}\Z", VideoView.as_view()),
    path("v1/models", ModelsView.as_view()),
    path("v1/models/<path:model>", ModelView.as_view()),
    path("v1/envelopes", EnvelopesView.as_view()),
    re_path(r"^v1/envelopes/(?P<envelope_id>(?s:.+))\Z", EnvelopeView.as_view()),
    path("v1/key", KeyView.as_view()),
    path("v1/credits", CreditsView.as_view()),
    path("v1/usage", UsageView.as_view()),
    path("v1/quote", QuoteView.as_view()),
    path("v1/requests/<path:request_id>", RequestView.as_view()),
]
urlpatterns = spending + free
