"""Customers, as the gateway's own tests have them."""

from __future__ import annotations

from tests.proxy.conftest import clean_ledger, customers, sandbox

__all__ = ["clean_ledger", "customers", "sandbox"]
