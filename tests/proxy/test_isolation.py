"""Every route of the gateway × keys × own, foreign and missing objects × methods.

The routes are those of its URL list; one whose argument nobody has classified here
fails. Costs 4 s: one running gateway, two customers.
"""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import httpx
import pytest

from portal.models import Role
from portal.notices.endpoints import Wanted
from portal.tenants import keys, members, projects
from proxy.urls import urlpatterns
from tests.proxy.conftest import Customers
from tests.support.cast import OPERATOR, actor_of, make_key, make_member
from tests.support.gateway.customers import SAY_HI, Customer
from tests.support.portal.noticed import ADDRESS, make_endpoint
from tests.support.services.gateway import Gateway

pytestmark = [pytest.mark.once]

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
ARGUMENT = re.compile(r"\(\?P<(\w+)>|<\w+:(\w+)>")
# An argument of a route: what it names, and one that there is not.
KINDS = {
    "job_id": "job",
    "video_id": "video",
    "model": "model",
    "envelope_id": "run",
    "request_id": "call",
    "endpoint_id": "endpoint",
}
# What stands after an argument.
ENDINGS = (r"/content\Z", r"/rotate_secret\Z", r"/test\Z")


def routes() -> list[tuple[str, str]]:
    """A path with `{}` for its argument, and the argument's kind or "".

    Raises: KeyError for one that nobody classified.
    """
    found = []
    for pattern in urlpatterns:
        text = str(pattern.pattern)
        names = [one or other for one, other in ARGUMENT.findall(text)]
        assert len(names) <= 1, text
        kind = KINDS[names[0]] if names else ""
        before, *_ = re.split(r"\(\?P<|<\w+:", text.removeprefix("^"))
        path = before.removeprefix("v1") + ("{}" if kind else "")
        path = path.removesuffix(r"\Z")
        endings = [each for each in ENDINGS if text.endswith(each)]
        path += "".join(endings).removesuffix(r"\Z")
        found.append((path, kind))
    return found


def objects_of(customer: Customer, gateway: Gateway) -> dict[str, str]:
    """One of each kind, the run under a name that is the customer's alone."""
    client = customer.http(gateway)
    chat = client.post("/chat/completions", json={"model": "m", "messages": SAY_HI})
    wanted = {"credits": 5, "expires_in_seconds": 600, "label": mark_of(customer)}
    run = client.post("/envelopes", json=wanted).json()
    call = chat.headers["x-request-id"]
    ids = {"job": f"job_{call[4:]}", "video": f"video_{call[4:]}"}
    named = Wanted(mark_of(customer), ADDRESS, ["key.created"])
    hook = make_endpoint(customer.organization, named)
    more = {"run": run["id"], "endpoint": hook.public_id, "model": "m", "": ""}
    return {"call": call, **more, **ids}


def missing() -> dict[str, str]:
    made = uuid4().hex
    ids = {"job": f"job_{made}", "video": f"video_{made}", "call": f"req_{made}"}
    ids["endpoint"] = f"we_{made}"
    return {"run": f"env_{made}", "model": "no-such-model", "": "", **ids}


def mark_of(customer: Customer) -> str:
    return f"zz{customer.organization.pk}zz"


def secrets_of(customer: Customer) -> dict[str, str]:
    """Keys that open nothing any more, of the customer's own organization."""
    organization = customer.organization
    revoked, revoked_secret = customer.new_key(name="revoked")
    keys.revoke(revoked, actor=OPERATOR)
    email = f"{uuid4().hex}@example.com"
    user = make_member(organization, email, Role.DEVELOPER)
    _, disabled_secret = make_key(organization, user)
    members.disable(organization.memberships.get(user=user), actor=OPERATOR)
    project = projects.create(organization, "Old", actor=OPERATOR)
    owner = actor_of(customer.owner)
    _, archived_secret = keys.issue(project, "archived", actor=owner)
    projects.archive(project, actor=OPERATOR)
    return {
        "none": "",
        "nonsense": "tg_live_nonsense",
        "revoked": revoked_secret,
        "disabled": disabled_secret,
        "archived": archived_secret,
    }


def answer_to(
    client: httpx.Client, method: str, path: str, ids: dict[str, str], kind: str
) -> tuple[int, str]:
    """Status and body, without the ids that differ anyhow."""
    body: dict[str, Any] = {"json": {}} if method in ("POST", "PUT", "PATCH") else {}
    answer = client.request(method, path.format(ids[kind]), **body)
    text = answer.text.replace(answer.headers.get("x-request-id", "-"), "<request>")
    return answer.status_code, text.replace(ids[kind] or "-", "<id>")


def test_nobody_finds_or_changes_what_is_anothers(
    live_gateway: Gateway, customers: Customers
) -> None:
    ours, theirs = customers(), customers()
    own, foreign = (objects_of(each, live_gateway) for each in (ours, theirs))
    none, problems = missing(), []
    client = ours.http(live_gateway)
    for path, kind in routes():
        for method in METHODS:
            asked = f"{method} {path}"
            status, text = answer_to(client, method, path, foreign, kind)
            if status >= 500 or mark_of(theirs) in text:
                problems.append(f"{asked}: {status} {text[:200]}")
            if kind in ("", "model") or method == "OPTIONS":
                continue
            if (status, text) != answer_to(client, method, path, none, kind):
                problems.append(f"{asked}: a foreign {kind} is not as a missing one")
    assert not problems, "\n".join(problems)
    run = theirs.http(live_gateway).get(f"/envelopes/{foreign['run']}").json()
    assert (run["status"], run["label"]) == ("open", mark_of(theirs))
    assert client.get(f"/envelopes/{own['run']}").json()["label"] == mark_of(ours)


def test_a_key_that_opens_nothing_opens_no_route(
    live_gateway: Gateway, customers: Customers
) -> None:
    ours = customers()
    own, secrets = objects_of(ours, live_gateway), secrets_of(ours)
    problems = []
    for who, secret in secrets.items():
        headers = {"authorization": f"Bearer {secret}"} if secret else {}
        with httpx.Client(base_url=live_gateway.base_url, headers=headers) as client:
            for path, kind in routes():
                for method in METHODS:
                    status, text = answer_to(client, method, path, own, kind)
                    if status not in (401, 404, 405) or mark_of(ours) in text:
                        problems.append(f"{who}: {method} {path}: {status} {text[:99]}")
    assert not problems, "\n".join(problems)
