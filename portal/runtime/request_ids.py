"""Each request of a page has an id: in its answer, and in what it writes down."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from django.http import HttpRequest, HttpResponseBase
from django.utils.deprecation import MiddlewareMixin


class RequestIdMiddleware(MiddlewareMixin):
    """`X-Request-Id`, as the gateway's answers have; ours, whatever the client says."""

    def process_request(self, request: HttpRequest) -> None:
        named: Any = request
        named.request_id = f"web_{uuid4().hex}"

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        response["X-Request-Id"] = getattr(request, "request_id", "")
        return response
