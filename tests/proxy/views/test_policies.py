"""Authentication, permissions and throttles of a gateway view are DRF's classes."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import orjson
import pytest
from django.http import HttpResponse
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from portal.tenants.keys import Identity
from proxy.http import reply
from proxy.http.handler import LeanRequest
from proxy.views.authentication import BearerAuthentication
from proxy.views.base import AsyncAPIView

SOMEBODY = Identity(uuid4(), 1, 1, "acme", None, "laptop")


class Anybody(BearerAuthentication):
    async def authenticate(  # type: ignore[override]
        self, request: Request
    ) -> tuple[Identity, str]:
        return SOMEBODY, "tg_live_…"


class Nobody(BasePermission):
    message = "Not on a Sunday."

    def has_permission(self, request: Request, view: APIView) -> bool:
        return False


class Never(BaseThrottle):
    def allow_request(self, request: Request, view: APIView) -> bool:
        return False

    def wait(self) -> float:
        return 6.5


class View(AsyncAPIView):
    authentication_classes = [Anybody]

    async def get(self, request: Request) -> HttpResponse:
        return reply.json({"key": self.identity.label, "auth": request.auth})


def ask(**policies: Any) -> HttpResponse:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    scope = {"type": "http", "method": "GET", "path": "/v1/x", "headers": []}
    request = LeanRequest(scope, receive)
    view: Any = View.as_view(**policies)
    found = asyncio.run(view(request))
    assert isinstance(found, HttpResponse)
    return found


def test_a_view_knows_whose_key_it_is() -> None:
    assert orjson.loads(ask().content) == {"key": "laptop", "auth": "tg_live_…"}


@pytest.mark.parametrize(
    ("policies", "status", "code", "message", "retry_after"),
    [
        (
            {"authentication_classes": [BearerAuthentication]},
            *(401, "missing_api_key", "No API key", None),
        ),
        (
            {"permission_classes": [Nobody]},
            *(403, "permission_denied", "Not on a Sunday.", None),
        ),
        (
            {"throttle_classes": [Never]},
            *(429, "rate_limit_exceeded", "Try again later.", "7"),
        ),
    ],
)
def test_a_policy_that_refuses_answers_as_openai_does(
    policies: dict[str, Any],
    status: int,
    code: str,
    message: str,
    retry_after: str | None,
) -> None:
    found = ask(**policies)
    error = orjson.loads(found.content)["error"]
    assert (found.status_code, error["code"]) == (status, code)
    assert message in error["message"]
    assert found.headers.get("retry-after") == retry_after
