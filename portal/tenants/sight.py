"""Whose usage somebody sees, and divided by what: the same on every page."""

from __future__ import annotations

from billing.reports.usage import Chosen, Dimension
from portal.tenants.roles import Permission
from portal.tenants.tenancy import Tenant


def usage_of(tenant: Tenant) -> Chosen:
    """The organization's; of who may not see that, what was spent while they held the
    key that did. Who has a key handed over does not see what it spent before."""
    chosen = Chosen(tenant.organization.account_id)
    if tenant.may(Permission.SEE_USAGE):
        return chosen
    return chosen.narrowed(Dimension.HOLDER, tenant.membership.unit_id)


def sees_own_only(tenant: Tenant) -> bool:
    return not tenant.may(Permission.SEE_USAGE)


def dimensions(tenant: Tenant) -> list[Dimension]:
    """A viewer is told no names of keys, and who may not see the members, no names of
    them; what is one's own is not divided by whose it is."""
    hidden = set()
    if not tenant.may(Permission.SEE_KEY_NAMES):
        hidden.add(Dimension.KEY)
    if not tenant.may(Permission.SEE_MEMBERS) or sees_own_only(tenant):
        hidden.add(Dimension.HOLDER)
    return [each for each in Dimension if each not in hidden]
