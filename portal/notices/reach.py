"""Which addresses an event may be sent to: https, at a public address, or a host that
the operator trusts."""

from __future__ import annotations

import asyncio

from django.conf import settings

from portal.outbound import FetchError, Guard, looking
from portal.tenants.errors import PortalError

CONNECT_SECONDS, CHECK_SECONDS = 5, 5
# Names that tenants have chosen: no one else's wait for them.
look_up_receiver = looking(16)
PORTS = frozenset({443, 8443})
WHY = {
    "bad_url": "This is no address: write one such as https://example.com/hook.",
    "bad_scheme": "The address has to begin with https://.",
    "userinfo_in_url": "Leave the name and the password out of the address.",
    "port_not_allowed": "Only the ports 443 and 8443 are asked.",
    "unknown_host": "No such host was found.",
    "address_not_public": "This host is not on the public internet.",
    "timeout": "The host could not be looked up in time. Try again.",
}


class UnfitAddress(PortalError):
    """Nothing is sent there; the message says why."""


def guard() -> Guard:
    """What all requests to receivers go through."""
    return Guard(
        seconds_max=settings.WEBHOOK_SECONDS_MAX,
        connect_seconds=CONNECT_SECONDS,
        more_trusted=trusted_hosts(),
        ports=PORTS,
        schemes=frozenset({"https"}),
        look_up=look_up_receiver,
    )


def trusted_hosts() -> frozenset[tuple[str, int]]:
    """Of WEBHOOK_TRUSTED_HOSTS."""
    found = (text.rpartition(":") for text in settings.WEBHOOK_TRUSTED_HOSTS)
    return frozenset((host, int(port)) for host, _, port in found)


class Checked(str):
    """An address whose host was looked up a moment ago."""


def check(url: str) -> Checked:
    """As `look_up`. Blocks."""
    return url if isinstance(url, Checked) else asyncio.run(look_up(url))


async def look_up(url: str) -> Checked:
    """Look the host up, as every attempt will again; five seconds at most.

    Raises: UnfitAddress.
    """
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await guard().check(url)
    except TimeoutError:
        raise UnfitAddress(WHY["timeout"]) from None
    except FetchError as error:
        raise UnfitAddress(WHY.get(error.reason, WHY["bad_url"])) from None
    return Checked(url)
