"""Allow-lists: which models, which operations, and from where."""

from __future__ import annotations

from collections.abc import Mapping

from billing.values import patterns
from portal.tenants import addresses
from portal.tenants.keys import Identity
from proxy.http import limit_refusals


def check_address(identity: Identity, meta: Mapping[str, str]) -> None:
    """May this key be used from where the request comes? Raises: GatewayError (403)."""
    for rule in identity.rules:
        if not rule.networks:
            continue
        address = addresses.client_address(meta)
        allowed = addresses.networks(rule.networks)
        if address is None or not addresses.is_in(address, allowed):
            raise limit_refusals.not_from_here(rule, address)


def check_call(identity: Identity, operation: str, model: str) -> None:
    """Raises: GatewayError (403)."""
    for rule in identity.rules:
        if rule.operations and operation not in rule.operations:
            raise limit_refusals.not_this_operation(rule, operation)
        if not patterns.matches(rule.models, model):
            raise limit_refusals.not_this_model(rule, model)
