"""Bounds count networks: of IPv6 a client has a whole /64, and IPv4 is IPv4 wherever it
is written as IPv6."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from pytest_django import Settings

from portal.runtime import connections, door
from portal.runtime.connections import Seen, enter, leave, too_many
from portal.tenants import addresses

pytestmark = pytest.mark.once
MOST = 8


@pytest.fixture
def entered(settings: Settings) -> Iterator[list[tuple[str, int]]]:
    settings.CONNECTIONS_PER_ADDRESS_MAX = MOST
    found: list[tuple[str, int]] = []
    yield found
    for peer in found:
        leave(peer)
    assert not connections._busy_of


def come(entered: list[tuple[str, int]], *texts: str) -> int:
    """How many of these may come in."""
    before = len(entered)
    for port, text in enumerate(texts, before):
        if enter((text, port)):
            entered.append((text, port))
    return len(entered) - before


def test_one_network_has_so_many_requests(entered: list[tuple[str, int]]) -> None:
    assert come(entered, *[f"2001:db8::{n:x}" for n in range(20)]) == MOST
    assert come(entered, "2001:db8:0:1::1") == 1
    assert come(entered, *["192.0.2.1", "::ffff:192.0.2.1"] * 10) == MOST
    assert come(entered, *[f"::ffff:192.0.2.{n}" for n in range(2, 20)]) == 18


def test_proxies_have_no_bound_and_a_unix_socket_has(
    entered: list[tuple[str, int]], settings: Settings
) -> None:
    assert come(entered, *[""] * 20) == MOST
    settings.TRUSTED_PROXIES = ["10.0.0.0/8", "fd00::1"]
    assert come(entered, *["::ffff:10.1.2.3"] * 20) == 20
    assert come(entered, *["fd00::1"] * 20) == 20
    assert come(entered, *["fd00::2"] * 20) == 0  # the proxy's own count there


def test_idle_connections_are_counted_alike() -> None:
    nothing = socket.socket()
    with nothing:
        seen = [
            Seen(nothing, address, port, 60)
            for address in ("fd00::1", "::ffff:192.0.2.1", "::ffff:192.0.2.2")
            for port in range(MOST)
        ]
        assert not too_many(seen, of_one=MOST, of_all=100)
        found = too_many(seen, of_one=MOST - 1, of_all=100, trusted={"fd00::1"})
    assert [each.address[-1] for each in found] == ["1", "2"]
    assert all(each.address != "fd00::1" for each in found)


def test_pages_are_shared_by_networks(settings: Settings) -> None:
    def owner(peer: str, forwarded: bytes = b"") -> object:
        headers = [(b"x-forwarded-for", forwarded)] if forwarded else []
        return door._address({"client": (peer, 1), "headers": headers})

    assert owner("2001:db8::1") == owner("2001:db8::2") != owner("2001:db8:1::1")
    settings.TRUSTED_PROXIES = ["10.0.0.1"]
    of_one = {owner("10.0.0.1", b"2001:db8::%x" % n) for n in range(9)}
    assert of_one == {owner("2001:db8::1")}


def test_an_address_of_a_link_is_one() -> None:
    """PostgreSQL has no place for the link's name: who came by it could not sign in."""
    assert str(addresses.read("fe80::1%eth0")) == "fe80::1"
    assert addresses.network_of(addresses.read("fe80::1%eth0")) == "fe80::/64"


@pytest.mark.parametrize("text", ["", "unix", "1.2.3", "::g", "1.2.3.4, 5.6.7.8"])
def test_what_is_no_address_is_one_nobody(text: str) -> None:
    assert addresses.network_of(addresses.read(text)) == "None"
