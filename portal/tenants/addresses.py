"""Where a request comes from, as far as that can be believed.

`X-Forwarded-For` is the client's own word, until a proxy of ours adds to it: it counts
only where the peer is one of TRUSTED_PROXIES, and from its end, up to the first address
that is none of them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from django.conf import settings

WITH_PORT = re.compile(
    r"\[([0-9A-Fa-f:.]{2,45})\](?::[0-9]{1,5})?|([0-9.]{7,15}):[0-9]{1,5}"
)
Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def client_address(meta: Mapping[str, str]) -> Address | None:
    """Of a request's `META`; None where nobody knows: a Unix socket has no address, and
    what a proxy passed on may be none."""
    trusted = networks(tuple(settings.TRUSTED_PROXIES))
    found = read(meta.get("REMOTE_ADDR", ""))
    hops = meta.get("HTTP_X_FORWARDED_FOR", "").split(",") if trusted else []
    while found is not None and hops and is_in(found, trusted):
        hop = hops.pop().strip()
        if not hop and not hops:
            break  # there is no such header: the proxy asks for itself
        found = read(hop)
    return found


@cache
def networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    """Raises: ValueError."""
    return tuple(ip_network(text) for text in texts)


def is_in(address: Address, allowed: Collection[Network]) -> bool:
    return any(address in network for network in allowed)


def network_of(found: Address | None) -> str:
    """Who it is as far as limits go: of IPv6 a client has a whole /64, and is one."""
    if isinstance(found, IPv6Address):
        return str(IPv6Network((int(found), 64), strict=False))
    return str(found)


def read(text: str) -> Address | None:
    """None for what is no address. IPv4 stays what it is where a socket for both calls
    it `::ffff:…`; some proxies write the client's port behind its address, or a link's
    name."""
    bare = WITH_PORT.fullmatch(text)
    try:
        found = ip_address(bare[1] or bare[2] if bare else text)
    except ValueError:
        return None
    if isinstance(found, IPv6Address):
        # Without the link's name (`fe80::1%eth0`), which no column of addresses takes.
        return found.ipv4_mapped or IPv6Address(int(found))
    return found
