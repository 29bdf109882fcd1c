"""At LOG_LEVEL=DEBUG, too: no cookie, no key and nothing of a call is in the log."""

from __future__ import annotations

import httpx
import pytest

from tests.support.gateway.customers import Customer
from tests.support.services.environment import UPSTREAM_API_KEY
from tests.support.services.fixtures import GatewayFactory
from tests.support.upstream import Upstream, chat_json

pytestmark = [pytest.mark.once, pytest.mark.usefixtures("clean_ledger")]
ASKED, ANSWERED = "a question nobody else hears", "an answer of its own"


def test_nothing_secret_is_logged(
    gateway: GatewayFactory, upstream: Upstream, customer: Customer
) -> None:
    served = gateway(LOG_LEVEL="DEBUG")
    upstream.on(model="m", reply=chat_json(text=ANSWERED))
    for stream in (False, True):
        said = [{"role": "user", "content": ASKED}]
        customer.chat(served, "m", messages=said, stream=stream)
    with httpx.Client(base_url=served.url) as browser:
        browser.get("/account/sign-in/passkey", headers={"accept": "application/json"})
        page = browser.get("/account/sign-in")
        cookies = dict(browser.cookies)
    assert (page.status_code, set(cookies)) == (200, {"sessionid", "csrftoken"})
    log = served.log_text()
    assert log
    secrets = (*cookies.values(), customer.secret[9:], UPSTREAM_API_KEY)
    # And no header: where a cookie stands among them is chance.
    for secret in (*secrets, ASKED, ANSWERED, "no-store"):
        assert secret not in log
