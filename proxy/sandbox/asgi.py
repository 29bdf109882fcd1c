"""The sandbox as an ASGI application, for `manage.py sandbox`."""

from __future__ import annotations

import os
from contextlib import suppress

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
django.setup()

from proxy.http.handler import LeanHandler, Message, Receive, Send  # noqa: E402
from proxy.sandbox import journal  # noqa: E402
from proxy.sandbox.errors import Refusal  # noqa: E402
from proxy.sandbox.failures import ConnectionCut  # noqa: E402


class SandboxHandler(LeanHandler):
    """The lean handler; a reply that is cut makes the server drop the connection."""

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        with suppress(ConnectionCut):
            await super().__call__(scope, receive, send)


application = SandboxHandler(
    "proxy.sandbox.urls",
    not_found=lambda _request: Refusal("not_found").response(),
    crashed=lambda: Refusal("internal_error").response(),
)
# Opened here, so that a journal that cannot be written stops the start.
journal.current()
