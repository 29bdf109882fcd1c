"""What an organization's people should look at, in order of consequence: first what
refuses calls now, then what soon will, then what only waits. Each with its cure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from django.urls import NoReverseMatch, reverse

from billing.reports import standing
from billing.reports.balance import Balance
from billing.reports.bounds import is_paused
from billing.reports.periods import Range
from billing.reports.runway import Runway
from billing.reports.standing import Doubts, Near
from billing.reports.usage import Chosen
from billing.values.amounts import credits_text
from portal.models import RaiseRequest, RequestState
from portal.tenants import refused, sight, topups
from portal.tenants.roles import Permission
from portal.tenants.tenancy import Tenant

KEYS_SOON = timedelta(days=14)
REFUSED_WITHIN = timedelta(days=1)
LOW_DAYS = 3
NAMED_MAX = 3


class Item(NamedTuple):
    """One thing: `kind` is "error" where calls are refused now, else "warning" or
    "info"; `cure` says what helps, and `url` leads there, if there is a page."""

    kind: str
    text: str
    cure: str
    url: str = ""


class Seen(NamedTuple):
    """What the page has read already."""

    balance: Balance
    runway: Runway | None
    doubts: Doubts
    now: datetime


def items(tenant: Tenant, seen: Seen) -> list[Item]:
    """The gravest first; none when all is well."""
    limits = _near(tenant)
    return [
        *_refused(tenant, seen, limits),
        *_were_refused(tenant, seen.now),
        *_soon(tenant, seen, limits),
        *_waiting(tenant),
    ]


def link(tenant: Tenant, name: str, *rest: object) -> str:
    """The page's address; "" where there is no such page."""
    try:
        return reverse(name, args=[tenant.organization.slug, *rest])
    except NoReverseMatch:
        return ""


def _refused(tenant: Tenant, seen: Seen, limits: list[Near]) -> Iterator[Item]:
    """Why calls are refused at this moment."""
    balance, sees_money = seen.balance, tenant.may(Permission.SEE_MONEY)
    ask = "Ask the operator of this Tollgate"
    if not balance.is_open:
        text = "This organization is suspended: its calls are refused."
        yield Item("error", text, f"{ask} why.")
    if is_paused(tenant.organization.account_id):
        text = (
            "New calls of this organization are paused: earlier ones cost more than it "
            "had credits for."
        )
        yield Item("error", text, "The operator of this Tollgate has been told.")
    if balance.owed_micros:
        owed = f" {credits_text(balance.owed_micros)}" if sees_money else ""
        text = f"This organization owes{owed} credits: its calls are refused."
        cure, url = _more_credits(tenant)
        yield Item("error", text, f"New credits pay that first. {cure}", url)
    elif balance.available_micros <= 0:
        yield _without_credits(tenant, seen)
    for near in limits:
        if near.is_exhausted:
            yield _limit(tenant, near)


def _without_credits(tenant: Tenant, seen: Seen) -> Item:
    balance = seen.balance
    since = tenant.organization.account.last_entry_at
    if balance.held_micros and not balance.balance_micros - balance.held_micros:
        text = "Everything that is left is held for running calls: others are refused."
        cure, url = _more_credits(tenant)
        rest = "What they do not use comes back when they end."
        return Item("error", text, f"{rest} {cure}", url)
    when = f" since {since:%Y-%m-%d %H:%M} UTC" if since else ""
    text = f"Calls are refused for lack of credits{when}."
    return Item("error", text, *_more_credits(tenant))


def _more_credits(tenant: Tenant) -> tuple[str, str]:
    """Where more come from, for this person; and the page of it."""
    if not topups.ways():
        ask = "Ask the operator of this Tollgate for credits."
        return ask, _money(tenant, "credits")
    if tenant.may(Permission.BUY_CREDITS):
        return "Buy credits.", link(tenant, "top-up")
    ask = "Ask an owner of this organization to buy credits."
    return ask, _money(tenant, "credits")


def _were_refused(tenant: Tenant, now: datetime) -> Iterator[Item]:
    """What was refused of late, whatever for."""
    span = Range(now - REFUSED_WITHIN, now)
    found = refused.counted(tenant.organization.pk, sight.usage_of(tenant), span)
    total = sum(number for _, number in found)
    if not total:
        return
    named = ", ".join(f"{number} {code}" for code, number in found[:NAMED_MAX])
    more = " and others" if len(found) > NAMED_MAX else ""
    calls = "One call was" if total == 1 else f"{total} calls were"
    text = f"{calls} refused in the last 24 hours: {named}{more}."
    url = _with(link(tenant, "activity"), "?state=refused")
    yield Item("warning", text, "See why.", url)


def _soon(tenant: Tenant, seen: Seen, limits: list[Near]) -> Iterator[Item]:
    """What will refuse calls, or take something away, before long."""
    if tenant.may(Permission.SEE_MONEY):
        if seen.runway is not None and seen.runway.least < LOW_DAYS:
            text = "At this pace the credits last for less than three days."
            yield Item("warning", text, *_more_credits(tenant))
        yield from _expiring_credits(tenant, seen)
    if seen.doubts.calls:
        held = credits_text(seen.doubts.held_micros)
        one = (
            "One call is"
            if seen.doubts.calls == 1
            else f"{seen.doubts.calls} calls are"
        )
        yield Item(
            "warning",
            f"{one} in doubt, and {held} credits stay held: nobody knows yet whether "
            "the upstream worked.",
            "They settle or come back by themselves; the operator sees them, too.",
            _with(link(tenant, "activity"), "?state=in_doubt"),
        )
    yield from _expiring_keys(tenant, seen.now)
    for near in limits:
        if not near.is_exhausted:
            yield _limit(tenant, near)


def _waiting(tenant: Tenant) -> Iterator[Item]:
    """What somebody else waits for."""
    if not tenant.may(Permission.MANAGE_BUDGETS):
        return
    asked = RaiseRequest.objects.filter(
        organization=tenant.organization, state=RequestState.PENDING
    )
    count = asked.exclude(asked_by=tenant.user).count()
    if count:
        waits = "One request" if count == 1 else f"{count} requests"
        text = (
            f"{waits} for a higher limit wait{'s' if count == 1 else ''} for an answer."
        )
        yield Item("info", text, "Grant or refuse them.", link(tenant, "budgets"))


def _expiring_credits(tenant: Tenant, seen: Seen) -> Iterator[Item]:
    expiries = standing.expiries_of(
        tenant.organization.account_id, within=timedelta(days=30)
    )
    for days, kind in ((7, "warning"), (30, "info")):
        until = seen.now + timedelta(days=days)
        micros = sum(each.remaining_micros for each in expiries if each.at <= until)
        if micros:
            text = f"{credits_text(micros)} credits expire within {days} days."
            cure = "They are spent first; what is left then is gone."
            yield Item(kind, text, cure, _money(tenant, "credits"))
            return


def _expiring_keys(tenant: Tenant, now: datetime) -> Iterator[Item]:
    ending = tenant.visible_keys().filter(
        revoked_at=None,
        spender__closes_at__gt=now,
        spender__closes_at__lte=now + KEYS_SOON,
    )
    keys = list(ending.select_related("spender").order_by("spender__closes_at")[:20])
    if not keys:
        return
    named = ", ".join(
        f"{key.name} on {key.expires_at:%Y-%m-%d}" for key in keys[:NAMED_MAX]
    )
    more = f" and {len(keys) - NAMED_MAX} more" if len(keys) > NAMED_MAX else ""
    text = (
        f"{'A key expires' if len(keys) == 1 else 'Keys expire'} soon: {named}{more}."
    )
    yield Item(
        "warning", text, "Rotate it, or give it another end.", link(tenant, "keys")
    )


def _near(tenant: Tenant) -> list[Near]:
    """Of the whole organization for those who may see limits; of anybody else, what
    limits them."""
    account = tenant.organization.account
    is_everybodys = tenant.may(Permission.MANAGE_BUDGETS)
    if not is_everybodys and not tenant.may(Permission.SEE_OWN_KEYS):
        return []
    holder = None if is_everybodys else tenant.membership.unit_id
    return standing.near_limits(account.id, account.time_zone, holder_id=holder)


def _limit(tenant: Tenant, near: Near) -> Item:
    whose = f"{near.label}, {near.level.replace('_', ' ')}" if near.label else "all"
    window = "in all" if near.window == "total" else f"of this {near.window}"
    limit = credits_text(near.limit_micros)
    again = (
        f" It begins anew {near.resets_at:%Y-%m-%d %H:%M} UTC."
        if near.resets_at
        else ""
    )
    if near.is_exhausted:
        text = f"The limit {window} is used up ({whose}): {limit} credits.{again}"
        kind = "error"
    else:
        used = f"{near.percent} % of the limit {window} is used"
        text = f"{used} ({whose}): {limit} credits."
        kind = "warning"
    if tenant.may(Permission.MANAGE_BUDGETS):
        cure = "Raise it, for a time or for good."
    else:
        cure = "Ask for a higher one."
    return Item(kind, text, cure, link(tenant, "budgets"))


def _money(tenant: Tenant, name: str) -> str:
    return link(tenant, name) if tenant.may(Permission.SEE_MONEY) else ""


def _with(url: str, query: str) -> str:
    return url and url + query


def doubts_and_failures(
    tenant: Tenant, since: datetime
) -> tuple[Doubts, list[tuple[str, int]]]:
    """What is in doubt now, and why calls ended uncharged since then."""
    chosen: Chosen = sight.usage_of(tenant)
    return standing.doubts_of(chosen), standing.failures_of(chosen, since)
