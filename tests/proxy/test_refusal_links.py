"""A refusal names the page where what it was refused for can be changed."""

from __future__ import annotations

from uuid import UUID

import pytest

from billing.values import errors
from portal.tenants.keys import Identity
from portal.tenants.rules import LevelRules
from proxy.http import limit_refusals, links, refusals
from proxy.http.errors import GatewayError

pytestmark = pytest.mark.once
HOME = "https://credits.example/o/acme"
IDENTITY = Identity(UUID(int=1), 1, 2, "acme", None, "laptop")
KEY = LevelRules("key", "laptop", 1)
PROJECT = LevelRules("project", "search", 1)
OWN_KEY = f"/keys/{IDENTITY.key_id}/"


def too_fast() -> GatewayError:
    return limit_refusals.rate_limited(
        KEY, "requests", limit=1, used=1, required=1, seconds=2.0
    )


def short() -> GatewayError:
    error = errors.InsufficientCredits(
        required_micros=3, available_micros=2, held_micros=1
    )
    return refusals.shortfall(error, IDENTITY)


@pytest.mark.parametrize(
    ("error", "url"),
    [
        (too_fast(), OWN_KEY),
        (limit_refusals.not_this_model(KEY, "m"), OWN_KEY),
        (limit_refusals.not_this_model(PROJECT, "m"), "/activity/?state=refused"),
        (short(), "/"),
        (refusals.debt(errors.DebtUnpaid(5), IDENTITY), "/"),
        (refusals.organization_paused(), "/"),
        (limit_refusals.not_from_here(KEY, None), None),
        (refusals.invalid("x"), None),
    ],
    ids=lambda each: each.code if isinstance(each, GatewayError) else str(each),
)
def test_it_names_the_page(
    settings: object, error: GatewayError, url: str | None
) -> None:
    settings.PUBLIC_URL = "https://credits.example"  # type: ignore[attr-defined]
    links.add(error, IDENTITY)
    assert error.metadata.get("url") == (None if url is None else HOME + url)


def test_a_page_that_it_has_already_stays() -> None:
    error = refusals.organization_paused(url="https://elsewhere.example/")
    links.add(error, IDENTITY)
    assert error.metadata["url"] == "https://elsewhere.example/"
