"""Requests to addresses that somebody else has named: `guard` says where they lead."""

from __future__ import annotations

from portal.outbound.guard import (
    Download,
    FetchError,
    Guard,
    Reply,
    host_and_port,
    looking,
)

__all__ = ["Download", "FetchError", "Guard", "Reply", "host_and_port", "looking"]
