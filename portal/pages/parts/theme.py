"""Light or dark: what the person chose, kept in a cookie, rendered by the server, so
that no page ever shows the other one first."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from portal.tenants.key_format import masked

COOKIE, SECONDS = "theme", 365 * 86_400
THEMES = (("system", "As the system"), ("light", "Light"), ("dark", "Dark"))
CHOSEN = ("light", "dark")  # what is kept; anything else is as the system has it


def chosen(request: HttpRequest) -> dict[str, object]:
    """For every template: `theme`, the themes to choose from, and where one is then:
    not at an address with a key in it, which the page would show."""
    kept = request.COOKIES.get(COOKIE)
    theme = kept if kept in CHOSEN else "system"
    here = request.get_full_path()
    here = here if masked(here) == here else ""
    return {"theme": theme, "themes": THEMES, "here": here}


@require_POST
def choose(request: HttpRequest) -> HttpResponse:
    """Anybody's choice, also before they sign in; back to the page it was made on."""
    wanted, back = request.POST.get("theme"), request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(
        back, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    is_ours = is_ours and back.startswith("/")
    # A word alone would count as the name of a view.
    answer = HttpResponseRedirect(back) if is_ours else redirect("home")
    if wanted in CHOSEN:
        answer.set_cookie(
            COOKIE,
            wanted,
            max_age=SECONDS,
            path=settings.SESSION_COOKIE_PATH,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )
    else:
        answer.delete_cookie(COOKIE, path=settings.SESSION_COOKIE_PATH, samesite="Lax")
    return answer
