"""A reply that is kept is not handed out where nothing may be called any more."""

from __future__ import annotations

import pytest

from portal.tenants import organizations
from tests.support.cast import OPERATOR
from tests.support.gateway.customers import Customer
from tests.support.gateway.refused import assert_refusal
from tests.support.gateway.retrying import keyed
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream

pytestmark = pytest.mark.once


def test_a_suspended_organization_is_not_told_again(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    assert keyed(customer, live_gateway).status_code == 200
    assert keyed(customer, live_gateway).status_code == 200
    organizations.suspend(customer.organization, reason="unpaid", actor=OPERATOR)
    again = keyed(customer, live_gateway)
    assert_refusal(again, 403, "organization_suspended")
    assert len(upstream.journal) == 1
