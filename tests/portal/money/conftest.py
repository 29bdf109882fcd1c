"""An owner at the pages of limits, and a key that they bind."""

from __future__ import annotations

import pytest
from django.test import Client

from portal.models import (
    ApiKey,
    Organization,
    User,
)
from tests.support.cast import make_key
from tests.support.portal.limit_pages import (
    signed_in,
)


@pytest.fixture
def as_alice(organization: Organization, alice: User) -> Client:
    return signed_in(alice)


@pytest.fixture
def bobs_key(organization: Organization, bob: User) -> ApiKey:
    return make_key(organization, bob, "ci")[0]
