"""Where a request comes from, as far as that can be believed."""

from __future__ import annotations

import pytest
from pytest_django.fixtures import Settings

from portal.tenants import addresses

pytestmark = pytest.mark.once

PROXIES = ["10.0.0.0/8", "2001:db8::7"]


def address(peer: str, forwarded: str | None = None) -> str | None:
    meta = {"REMOTE_ADDR": peer}
    if forwarded is not None:
        meta["HTTP_X_FORWARDED_FOR"] = forwarded
    found = addresses.client_address(meta)
    return None if found is None else str(found)


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("198.51.100.4", None, "198.51.100.4"),
        # Nobody of ours passed it on: it is the client's own word.
        ("198.51.100.4", "192.0.2.1", "198.51.100.4"),
        ("10.0.0.1", "192.0.2.1", "192.0.2.1"),
        ("10.0.0.1", "192.0.2.1:4711", "192.0.2.1"),
        ("10.0.0.1", "[2001:db8::1]:4711", "2001:db8::1"),
        ("10.0.0.1", "[2001:db8::1]", "2001:db8::1"),
        ("10.0.0.1", "192.0.2.1:x", None),
        ("2001:db8::7", "192.0.2.1", "192.0.2.1"),
        ("::ffff:10.0.0.1", "192.0.2.1", "192.0.2.1"),
        # What the client wrote itself stands before what our proxy added.
        ("10.0.0.1", "192.0.2.99, 192.0.2.1", "192.0.2.1"),
        ("10.0.0.1", "192.0.2.99, 10.9.9.9, 192.0.2.1", "192.0.2.1"),
        ("10.0.0.1", "192.0.2.1, 10.0.0.2", "192.0.2.1"),
        ("10.0.0.1", "10.0.0.3,10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "nonsense", None),
        ("10.0.0.1", "192.0.2.1, nonsense", None),
        ("10.0.0.1", "192.0.2.1,", None),
        ("10.0.0.1", "nonsense, 192.0.2.1", "192.0.2.1"),
        ("", "192.0.2.1", None),
        ("unix:", None, None),
    ],
)
def test_only_a_trusted_proxy_names_another(
    settings: Settings, peer: str, forwarded: str | None, found: str | None
) -> None:
    settings.TRUSTED_PROXIES = PROXIES
    assert address(peer, forwarded) == found


def test_by_default_nobody_is_trusted(settings: Settings) -> None:
    assert settings.TRUSTED_PROXIES == []
    assert address("127.0.0.1", "192.0.2.1") == "127.0.0.1"
    assert address("::ffff:127.0.0.1") == "127.0.0.1"
