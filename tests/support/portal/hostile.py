"""Addresses that lead inside, or nowhere, and a listener to which none may come."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

# {port} is a listener's on the loopback, to which not one connection may come.
HOSTILE = [
    *(f"http://{host}:{{port}}/" for host in ("127.0.0.1", "localhost", "[::1]")),
    *(f"http://{host}/" for host in ("127.0.0.1", "localhost", "127.1", "127.0.1")),
    *(f"http://{host}/" for host in ("0x7f.1", "0x7f000001", "2130706433", "0")),
    *(f"http://{host}/" for host in ("0177.0.0.1", "017700000001", "127.0.0.1.")),
    *(f"http://{host}/" for host in ("0.0.0.0", "127.255.255.254")),  # noqa: S104
    *(f"http://{host}/" for host in ("10.0.0.1", "172.16.0.1", "172.31.255.255")),
    *(f"http://{host}/" for host in ("192.168.1.1", "169.254.169.254", "100.64.0.1")),
    *(f"http://{host}/" for host in ("100.127.255.255", "192.0.0.1", "192.0.2.1")),
    *(f"http://{host}/" for host in ("198.18.0.1", "198.51.100.1", "203.0.113.1")),
    *(f"http://{host}/" for host in ("224.0.0.1", "239.1.1.1", "240.0.0.1")),
    *(f"http://{host}/" for host in ("255.255.255.255", "[::]", "[::1]", "[fe80::1]")),
    *(f"http://{host}/" for host in ("[fc00::1]", "[fd12::1]", "[ff02::1]")),
    *(f"http://{host}/" for host in ("[::ffff:127.0.0.1]", "[::ffff:8.8.8.8]")),
    *(f"http://{host}/" for host in ("[::127.0.0.1]", "[64:ff9b::7f00:1]")),
    *(f"http://{host}/" for host in ("[64:ff9b:1::1]", "[2002:7f00:1::]")),
    *(f"http://{host}/" for host in ("[2001::1]", "[2001:db8::1]", "[fe80::1%25lo]")),
    *(f"https://{host}/" for host in ("user@8.8.8.8", "8.8.8.8@127.0.0.1", "a:b@c")),
    *(f"http://8.8.8.8:{port}/" for port in (22, 25, 6379, 5432, 0, 65536, "x")),
    *("http://8.8.8.8\\@127.0.0.1/", "http://127.0.0.1\t/", "http://127.0.0.1 /"),
    *("http://①②⑦.0.0.1/", "http://127。0。0。1/", "http:///a", "http://", "//a/b", ""),
    *("ftp://8.8.8.8/", "file:///etc/passwd", "gopher://8.8.8.8/", "unix:///a"),
    *("javascript:alert(1)", "http://8.8.8.8/\r\nX-A: b", "http://[::1", "http://.../"),
    "http://8.8.8.8/" + "a" * 9_000,
]


@contextmanager
def canary() -> Iterator[int]:
    """The port of a listener that nobody may connect to."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()
