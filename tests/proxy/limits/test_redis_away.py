"""Redis is away: people sign in and make keys, calls are made and still limited."""

from __future__ import annotations

import re
import signal

import httpx
import pytest
from allauth.account.models import EmailAddress

from portal.tenants import rules
from tests.proxy.conftest import Customers
from tests.support.cast import OPERATOR, PASSWORD
from tests.support.gateway.customers import Customer
from tests.support.portal.forms import Form, forms_of
from tests.support.portal.pages import read_text
from tests.support.services.fixtures import GatewayFactory
from tests.support.services.gateway import Gateway
from tests.support.services.redis_server import RedisServer
from tests.support.upstream import Upstream, chat_json
from tests.support.waiting import PATIENCE_SECONDS

SECRET = re.compile(r"tg_live_\w+")


@pytest.mark.once
@pytest.mark.usefixtures("clean_ledger")
def test_nobody_needs_redis_to_work(
    gateway: GatewayFactory,
    upstream: Upstream,
    customers: Customers,
    redis_server: RedisServer,
) -> None:
    upstream.on(model="m", reply=chat_json(credits=1))
    served = gateway(REDIS_URL=redis_server.url)
    for trouble in ("frozen", "gone"):
        customer = customers()
        person(customer)
        rules.set_rules(customer.organization, actor=OPERATOR, requests_per_minute=2)
        assert customer.http(served).get("/models").is_success  # all is begun
        if trouble == "frozen":
            redis_server.process.send_signal(signal.SIGSTOP)
        else:
            redis_server.process.send_signal(signal.SIGCONT)
            redis_server.stop()

        secret = made_key(served, customer)
        http = customer.http(served)
        http.headers["authorization"] = f"Bearer {secret}"
        answers = [customer.chat(served, "m").status_code for _ in range(3)]
        assert answers == [200, 200, 429], trouble
    said = served.log_text()
    assert "Traceback" not in said
    assert "Redis is away" in said


def person(customer: Customer) -> None:
    """The owner has a password, and has shown that the address is theirs."""
    customer.owner.set_password(PASSWORD)
    customer.owner.save()
    EmailAddress.objects.update_or_create(
        user=customer.owner,
        email=customer.owner.email,
        defaults={"verified": True, "primary": True},
    )


def made_key(served: Gateway, customer: Customer) -> str:
    """Sign in, make a key twice by the same form: it is made once."""
    with httpx.Client(base_url=served.url, timeout=PATIENCE_SECONDS) as browser:
        sign_in = form(browser, "/account/sign-in", "login")
        sign_in.fields |= {"login": [customer.owner.email], "password": [PASSWORD]}
        assert sent(browser, "/account/sign-in", sign_in).status_code == 302
        path = f"/o/{customer.organization.slug}/keys/new"
        new = form(browser, path, "ticket")
        new.fields = {n: v for n, v in new.fields.items() if v != ["on"]}  # "Never"
        new.fields["name"] = ["made without Redis"]
        shown = sent(browser, path, new)
        secrets: list[str] = SECRET.findall(shown.text)
        assert secrets, read_text(shown.text).text
        assert sent(browser, path, new).status_code == 302  # no second one
        return secrets[0]


def form(browser: httpx.Client, path: str, field: str) -> Form:
    page = browser.get(path)
    assert page.status_code == 200, page.text
    found = [each for each in forms_of(page.text) if field in each.fields]
    return found[0]


def sent(browser: httpx.Client, path: str, wanted: Form) -> httpx.Response:
    answer = browser.post(path, data=dict(wanted.fields))
    assert answer.status_code < 500, answer.text
    return answer
