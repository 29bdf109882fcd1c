"""One gateway for the ways of a file, over the sandbox; a team and its owner."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from portal.models import Organization, User
from tests.support import payments_sandbox
from tests.support.cast import PASSWORD, make_organization, make_user
from tests.support.payments_sandbox import Stripe
from tests.support.sandbox.server import KEY, serve
from tests.support.services.gateway import Gateway


@pytest.fixture(scope="module")
def till() -> Iterator[Stripe]:
    """Where credits are paid; it tells the gateway of it."""
    with Stripe(is_told=True) as stripe:
        yield stripe


@pytest.fixture(scope="module")
def gate(
    django_db_setup: None, tmp_path_factory: pytest.TempPathFactory, till: Stripe
) -> Iterator[Gateway]:
    """Open to newcomers, who get some credits; its mail is in its log."""
    folder: Path = tmp_path_factory.mktemp("flows")
    with serve(folder) as sandbox:
        gateway = Gateway(
            folder=folder,
            environment={
                "UPSTREAM_BASE_URL": sandbox.base_url,
                "UPSTREAM_API_KEY": KEY,
                "SIGNUP": "open",
                "SIGNUP_CREDITS": "100",
                "EMAIL_URL": "consolemail://",
                "STRIPE_SECRET_KEY": payments_sandbox.KEY,
                "STRIPE_API_BASE": till.sandbox.url,
                "STRIPE_WEBHOOK_SECRET": payments_sandbox.SECRET,
            },
        )
        hook = f"{gateway.url}/payments/stripe/webhook"
        till.sandbox.tell(hook, payments_sandbox.SECRET)
        gateway.start()
        yield gateway
        gateway.stop()


@pytest.fixture
def owner(committed_db: None) -> User:
    return make_user(f"olga-{uuid4().hex[:8]}@example.com", PASSWORD)


@pytest.fixture
def team(owner: User) -> Organization:
    return make_organization(f"Flows {uuid4().hex[:8]}", owner)
