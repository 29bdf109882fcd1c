"""No page of django-allauth's own can be opened; what leads on stays on this host.

Costs 1 s.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import allauth
import pytest
from allauth import urls
from django.conf import settings
from django.template.loader import get_template
from django.test import Client
from django.urls import NoReverseMatch, URLPattern, URLResolver, resolve, reverse

from portal.models import User
from portal.pages.account.urls import PAGES
from tests.support.portal.accounts import sign_in

pytestmark = pytest.mark.once


def patterns(found: list[URLPattern | URLResolver]) -> Iterator[URLPattern]:
    for each in found:
        if isinstance(each, URLResolver):
            yield from patterns(each.url_patterns)
        else:
            yield each


LIBRARYS = sorted({each.name for each in patterns(urls.urlpatterns) if each.name})
OFFERED = {name for _, _, names in PAGES for name in names}
# What the library's code names, and never gets to (`portal/signing_in`).
NOT_OFFERED = {
    *("account_inactive", "account_confirm_login_code"),
    *("account_password_reset_completed", "mfa_download_recovery_codes"),
    *("socialaccount_login_cancelled", "socialaccount_login_error"),
    *("socialaccount_signup", "socialaccount_connections"),
}


def test_each_page_of_the_library_is_ours_or_missing() -> None:
    assert {name for name in LIBRARYS if name not in OFFERED} == NOT_OFFERED
    for name in NOT_OFFERED:
        with pytest.raises(NoReverseMatch):
            reverse(name)


@pytest.mark.parametrize("path", ["login/", "signup/", "2fa/", "3rdparty/", "email/"])
def test_its_usual_addresses_are_missing(db: None, client: Client, path: str) -> None:
    for root in ("/", "/account/", "/accounts/"):
        assert client.get(root + path).status_code == 404


def test_none_of_its_templates_can_be_found() -> None:
    folder = str(Path(allauth.__file__).parent)
    assert not any("APP_DIRS" in engine for engine in settings.TEMPLATES)
    for _, view, _ in PAGES:
        shown: Any = getattr(view, "view_class", None)
        name = getattr(shown, "template_name", None)
        if name is not None and "get" in shown.http_method_names:
            template: Any = get_template(name)
            assert not template.origin.name.startswith(folder)


def test_each_path_is_one_views(db: None) -> None:
    paths = [path for path, _, _ in PAGES]
    assert len(paths) == len(set(paths))
    assert resolve("/account/").url_name == "account"


@pytest.mark.parametrize(
    "wanted",
    [
        *("https://evil.example/", "//evil.example/", "/\\evil.example"),
        *(
            "javascript:x()",
            "https:evil.example",
            "///evil.example",
            "\\\\evil.example",
        ),
        *(
            "/\t/evil.example",
            "\t//evil.example",
            " //evil.example",
            "//evil%2eexample",
        ),
        *(
            "http:///evil.example",
            "https://127.0.0.1@evil.example/",
            "data:text/html,x",
        ),
    ],
)
def test_nobody_is_led_away(carol: User, wanted: str) -> None:
    client = Client()
    assert sign_in(client, carol.email, next=wanted)["location"] == "/"
    for path in ("/account/sign-in", "/account/sign-up", "/account/password/reset"):
        answer = client.get(path, {"next": wanted})
        assert answer.get("location", "/") in {"/", "/account/password/reset"}
    needed = client.get("/account/second-factor", {"next": wanted})
    assert needed.status_code == 200
    assert client.session.get("wanted_before_second_factor") is None
    out = client.post("/account/sign-out", {"next": wanted})
    assert out["location"] == "/account/sign-in"
