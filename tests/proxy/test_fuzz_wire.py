"""Requests over the wire to every route of gateway and portal, while the upstream has
gone mad: no 500, no trace in the log, and nobody hangs."""

from __future__ import annotations

import asyncio
import os
import random
import re
from dataclasses import dataclass

import pytest
from django.test import Client

from proxy import urls
from tests.proxy.conftest import IMPATIENT, Customers
from tests.proxy.test_fuzz import PATHS, SCHEMAS
from tests.support import seeds, sources
from tests.support.fuzz import requests
from tests.support.fuzz.replies import Mad
from tests.support.fuzz.requests import Caller, Target
from tests.support.gateway.customers import Customer
from tests.support.portal.neighbours import Neighbour, all_routes, make_neighbour
from tests.support.services.fixtures import GatewayFactory
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream, chat_json

# So many requests, and at least as many answers of the upstream as calls among them.
REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "300"))
# After so many there are other people and keys: those before may have closed theirs.
OF_ONE_CAST = 1000
AT_ONCE = 12
SECONDS_MAX = 40
READ = re.compile(r"""(?:GET|POST|bar|query)\b[^"\n]{0,20}["']([a-z_]{2,30})["']""")
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")
# What an upstream's fault may become; and Stripe's webhook has no secret here.
OF_OTHERS = {502, 503, 504}


def names_read() -> tuple[str, ...]:
    """Of the parameters that pages and routes read."""
    found = {
        name
        for path in sources.python_files("portal", "proxy")
        for name in READ.findall(path.read_text())
    }
    return tuple(sorted(found | {"model", "stream", "limit", "after", "name", "email"}))


@dataclass(frozen=True)
class Cast:
    """Who asks, and what they may ask for."""

    callers: tuple[Caller, ...]
    targets: tuple[Target, ...]


def cast_of(customer: Customer, number: int) -> Cast:
    made = make_neighbour(f"fuzzed{number}-{customer.account_id}")
    names = names_read()
    callers = [Caller(customer.secret, *cookies_of(made, role)) for role in made.people]
    pages = [Target(route.url(made.objects), names) for route in all_routes()]
    operations = [Target(f"/v1/{path}", names, SCHEMAS[path]) for path in SCHEMAS]
    routes = [
        Target(re.sub(r"\(.*?\)+|[\\^$]|<\w+:\w+>", "x", f"/{each.pattern}"), names)
        for each in urls.free
    ]
    others = [Target(f"/v1/{path}", names) for path in PATHS]
    return Cast(tuple(callers), (*pages, *operations * 8, *routes * 2, *others))


def cookies_of(made: Neighbour, role: str) -> tuple[str, str]:
    browser, token = Client(), "c" * 32
    browser.force_login(made.people[role])
    session = browser.cookies["sessionid"].value
    return f"sessionid={session}; csrftoken={token}", token


async def answers(served: Gateway, sent: list[bytes]) -> list[bytes | Exception]:
    """What comes back of each until the connection closes."""
    places = asyncio.Semaphore(AT_ONCE)

    async def ask(request: bytes) -> bytes:
        async with places, asyncio.timeout(SECONDS_MAX):
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            try:
                writer.write(request)
                found = await reader.read(64)
                while await reader.read(65536):
                    pass
            except ConnectionError:  # refused while we still wrote
                return b""
            finally:
                writer.transport.abort()
            return found

    return await asyncio.gather(*map(ask, sent), return_exceptions=True)  # type: ignore[return-value]


def is_wrong(target: Target, answer: bytes | Exception) -> bool:
    if isinstance(answer, Exception):
        return True
    if not answer:
        return False  # closed without a word: nothing could be read
    status = STATUS.match(answer)
    if status is None:
        return True
    code = int(status[1])
    is_others = code in OF_OTHERS and (not target.is_page or "stripe" in target.path)
    return code >= 500 and not is_others


@pytest.mark.once
@pytest.mark.timeout(7200)
@pytest.mark.usefixtures("clean_ledger")
def test_nothing_breaks_it(
    gateway: GatewayFactory, upstream: Upstream, customers: Customers
) -> None:
    chance = seeds.drawn("FUZZ_SEED")
    served = gateway(**IMPATIENT, CONNECTIONS_PER_ADDRESS_MAX=4096)
    mad = Mad(upstream.url, random.Random(chance.random()))  # noqa: S311
    upstream.on(path="", reply=mad)
    wrong: list[tuple[str, bytes, bytes | Exception]] = []
    for number in range(0, REQUESTS, OF_ONE_CAST):
        cast = cast_of(customers(credits=10**7), number)
        count = min(OF_ONE_CAST, REQUESTS - number)
        drawn = [chance.choice(cast.targets) for _ in range(count)]
        sent = [requests.drawn(t, chance.choice(cast.callers), chance) for t in drawn]
        found = asyncio.run(answers(served, sent))
        wrong += [
            (target.path, request[:2000], answer)
            for target, request, answer in zip(drawn, sent, found, strict=True)
            if is_wrong(target, answer)
        ]
    shown = "\n\n".join(map(str, wrong[:12]))
    assert not wrong, f"{len(wrong)} of {REQUESTS}:\n{shown}"
    log = served.log_text()
    assert "Traceback" not in log, log[log.index("Traceback") - 500 :][:4000]
    assert mad.asked > REQUESTS // 200  # in one run 10 of 300
    upstream.reset()
    upstream.on(model="m", reply=chat_json())
    assert customers().chat(served, "m").status_code == 200
