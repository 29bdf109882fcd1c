"""Behind a proxy that speaks TLS for us, below a path of its name."""

from __future__ import annotations

import re

import httpx
import pytest
from allauth.account.models import EmailAddress

from portal.models import AuditEvent, User
from tests.support.cast import PASSWORD
from tests.support.services.fixtures import GatewayFactory
from tests.support.services.gateway import Gateway

pytestmark = pytest.mark.once

EMAIL = "behind-a-proxy@example.com"
CLIENT = "203.0.113.9"
# As a browser and a proxy send it.
HEADERS = {
    "host": "ai.example.com",
    "origin": "https://ai.example.com",
    "referer": "https://ai.example.com/tollgate/account/sign-in",
    "x-forwarded-for": f"198.51.100.1, {CLIENT}, 127.0.0.2",
}
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')


@pytest.fixture
def behind(gateway: GatewayFactory) -> Gateway:
    return gateway(
        PUBLIC_URL="HTTPS://AI.example.com:443/tollgate/",
        TRUSTED_PROXIES="127.0.0.0/8",
        ALLOWED_HOSTS="",
    )


@pytest.fixture
def person(committed_db: None) -> User:
    made = User.objects.create_user(EMAIL, PASSWORD)
    EmailAddress.objects.filter(user=made).update(verified=True)
    return made


def test_people_sign_in_and_calls_are_made(behind: Gateway, person: User) -> None:
    with httpx.Client(base_url=behind.url, headers=HEADERS) as browser:
        for prefix in ("/tollgate", ""):  # passed on by the proxy, or taken off
            page = browser.get(f"{prefix}/account/sign-in")
            assert page.status_code == 200, page.text
            assert page.headers["strict-transport-security"] == "max-age=31536000"
            assert 'href="/tollgate/static/' in page.text
            [sheet] = re.findall(r'href="/tollgate(/static/[^"]+\.css)"', page.text)[:1]
            assert browser.get(prefix + sheet).status_code == 200
            form = {
                "csrfmiddlewaretoken": TOKEN.findall(page.text)[0],
                "login": EMAIL,
                "password": PASSWORD,
            }
            # A browser sends its cookies over TLS only; this client speaks none.
            cookie = "; ".join(f"{c.name}={c.value}" for c in browser.cookies.jar)
            answer = browser.post(
                f"{prefix}/account/sign-in", data=form, headers={"cookie": cookie}
            )
            assert answer.status_code == 302, answer.text
            assert answer.headers["location"].startswith("/tollgate/")
            for line in answer.headers.get_list("set-cookie"):
                assert "; Secure" in line
                assert "; Path=/tollgate/" in line
            browser.cookies.clear()
            models = browser.get(f"{prefix}/v1/models")
            assert models.json()["error"]["code"] == "missing_api_key", models.text
        assert browser.get("/healthz").status_code == 200
        assert browser.get("/tollgate/healthz").status_code == 200
    events = AuditEvent.objects.filter(action="user.sign_in", actor=person)
    assert [event.ip_address for event in events] == [CLIENT, CLIENT]


def test_another_site_or_scheme_cannot(behind: Gateway) -> None:
    for origin in ("http://ai.example.com", "https://evil.example", "null"):
        answer = httpx.post(
            f"{behind.url}/tollgate/account/sign-in",
            headers={**HEADERS, "origin": origin},
        )
        assert answer.status_code == 403
