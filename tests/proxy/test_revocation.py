"""Revocation at every level: the next call is refused, also by a gateway that remembers
the key, and works again where what was closed is opened again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from portal.models import Membership, Role
from portal.tenants import key_edits, keys, members, projects, service_accounts
from tests.support.cast import OPERATOR, make_member
from tests.support.gateway.customers import Customer
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream

Change = Callable[[], object]


def a_project(customer: Customer) -> tuple[Change, Change | None]:
    project = projects.create(customer.organization, "Search", actor=OPERATOR)
    holder = customer.organization.memberships.get()
    _, customer.secret = keys.issue(project, "k", actor=OPERATOR, holder=holder)
    return (
        lambda: projects.archive(project, actor=OPERATOR),
        lambda: projects.restore(project, actor=OPERATOR),
    )


def a_member(customer: Customer) -> tuple[Change, Change | None]:
    membership = second_member(customer)
    return (
        lambda: members.disable(membership, actor=OPERATOR),
        lambda: members.enable(membership, actor=OPERATOR),
    )


def a_member_for_good(customer: Customer) -> tuple[Change, Change | None]:
    membership = second_member(customer)
    return lambda: members.remove(membership, actor=OPERATOR), None


def a_service_account(customer: Customer) -> tuple[Change, Change | None]:
    robot = service_accounts.create(customer.organization, "CI", actor=OPERATOR)
    project = projects.default_of(customer.organization)
    _, customer.secret = keys.issue(project, "k", actor=OPERATOR, holder=robot)
    return (
        lambda: service_accounts.disable(robot, actor=OPERATOR),
        lambda: service_accounts.enable(robot, actor=OPERATOR),
    )


def a_key(customer: Customer) -> tuple[Change, Change | None]:
    return (
        lambda: key_edits.disable(customer.key, actor=OPERATOR),
        lambda: key_edits.enable(customer.key, actor=OPERATOR),
    )


def a_replaced_secret(customer: Customer) -> tuple[Change, Change | None]:
    """Its overlap is ended while it works beside the new one."""
    old = keys.secrets_in_force(customer.key)[0]
    keys.rotate(customer.key, timedelta(hours=1), actor=OPERATOR)
    return lambda: key_edits.end_secret(old, actor=OPERATOR), None


def second_member(customer: Customer) -> Membership:
    """Who holds the customer's key from now on."""
    user = make_member(
        customer.organization, f"second-{customer.owner.email}", Role.DEVELOPER
    )
    membership = customer.organization.memberships.get(user=user)
    project = projects.default_of(customer.organization)
    _, customer.secret = keys.issue(project, "k", actor=OPERATOR, holder=membership)
    return membership


@pytest.mark.parametrize(
    ("prepare", "code"),
    [
        (a_project, "project_archived"),
        (a_member, "key_holder_disabled"),
        (a_member_for_good, "key_revoked"),
        (a_service_account, "key_holder_disabled"),
        (a_key, "key_disabled"),
        (a_replaced_secret, "key_revoked"),
    ],
)
def test_what_is_closed_is_refused_on_its_very_next_call(
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    prepare: Callable[[Customer], tuple[Change, Change | None]],
    code: str,
) -> None:
    close, reopen = prepare(customer)
    for _ in range(2):  # the second one from the gateway's memory
        assert customer.chat(live_gateway).status_code == 200
    close()
    http = customer.http(live_gateway)
    for refused in (
        *(customer.chat(live_gateway) for _ in range(2)),
        *(http.get("/models"), http.get("/key")),
    ):
        assert refused.status_code == 401
        assert refused.json()["error"]["code"] == code
    assert len(upstream.journal) == len(customer.holds()) == 2
    if reopen is not None:
        reopen()
        assert customer.chat(live_gateway).status_code == 200
        assert http.get("/key").status_code == 200
