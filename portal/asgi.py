"""The ASGI door: `/v1` goes to the lean gateway handler, all else to Django's own."""

from __future__ import annotations

import os
import warnings
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
pages = get_asgi_application()

from django.conf import settings  # noqa: E402  settings need the line above
from django.utils.module_loading import import_string  # noqa: E402

# Named by string: portal must not import the layer above it.
gateway = import_string(settings.GATEWAY_HANDLER)

# WhiteNoise reads its files piece by piece in the thread, which Django remarks upon at
# the first of them; ours are a few kilobytes.
warnings.filterwarnings(
    "ignore", "StreamingHttpResponse must consume synchronous", module="django"
)

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Dispatch one ASGI connection. `scope["path"]` is already percent-decoded."""
    if scope["type"] == "lifespan":
        await gateway.lifespan(receive, send)
        return
    path = own_path(scope["path"])
    if path.startswith("/v1/") or path == "/v1":
        await gateway({**scope, "path": path}, receive, send)
    else:
        await pages(as_seen(scope, path), receive, send)


def own_path(path: str) -> str:
    """Without the path of PUBLIC_URL, which a proxy may take off, or pass on."""
    prefix = settings.URL_PREFIX
    if prefix and (path == prefix or path.startswith(f"{prefix}/")):
        return path.removeprefix(prefix) or "/"
    return path


def as_seen(scope: dict[str, Any], path: str) -> dict[str, Any]:
    """The connection as a browser has it, by PUBLIC_URL: TLS and paths end in front of
    us. No header is asked, which anybody could send."""
    scheme = "https" if settings.IS_HTTPS else scope["scheme"]
    return {**scope, "scheme": scheme, "path": settings.URL_PREFIX + path}
