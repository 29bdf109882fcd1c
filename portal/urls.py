"""The portal's URLs: a list per room of pages. `/v1` never comes here: `portal/asgi.py`
sends it elsewhere; and `portal/runtime/health.py` answers those who watch."""

from __future__ import annotations

from django.conf import settings
from django.urls import URLPattern, URLResolver, include, path

handler400 = "portal.runtime.error_pages.bad_request"
handler500 = "portal.runtime.error_pages.server_error"
urlpatterns: list[URLPattern | URLResolver] = [
    path("", include(f"portal.pages.{room}.urls"))
    for room in (
        "parts",
        "account",
        "people",
        "keys",
        "usage",
        "money",
        "documents",
        "notices",
        "records",
    )
]
urlpatterns.append(path("", include("portal.payments.urls")))
# Pages of the layer above are named by string, as the gateway is.
urlpatterns += [path("", include(name)) for name in settings.PAGES_ABOVE]
