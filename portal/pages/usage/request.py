"""One request: its whole story, and why it cost what it did."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import NoReverseMatch, reverse
from django.utils.module_loading import import_string
from django.views.decorators.http import require_safe

from billing.models import Account
from billing.models.usage import Basis
from billing.pricing import tariffs
from billing.pricing.rates import Rates, UnpricedModel, rates_for
from billing.reports import keys, story
from billing.reports.activity import ID_DIGITS
from billing.reports.calls import CallReport
from billing.reports.story import Story
from billing.values.amounts import price_of
from portal.pages.parts import frame, navigation
from portal.pages.usage import refused
from portal.pages.usage.activity import PREFIX, call_of, is_prefix
from portal.tenants import sight, tenancy
from portal.tenants.roles import Permission
from portal.tenants.tenancy import Tenant

# What is said of each moment of a story: a heading, and what it means.
MOMENTS = {
    "received": ("Received", "The gateway began with it."),
    "held": ("Credits held", "So much was set aside, the most it could cost."),
    "running": ("Running", "It has not ended yet."),
    "sent": (
        "Sent to the upstream",
        "Right after the hold; the moment itself is not kept.",
    ),
    "answered": ("Answered", ""),
    "settled": ("Charged", "In one step with the end of its hold."),
    "returned": ("Given back", "What was held and not used is available again."),
    "released": ("Given back", "All that was held: nothing was used."),
    "in_doubt": ("In doubt", "Nobody knows yet what the upstream did; it stays held."),
    "said": ("Another word", "Something was said of it after its end."),
    "posted": ("Corrected", "That word was booked."),
    "dismissed": ("Left as it is", "That word changed nothing."),
}
CORRECTIONS = {
    "late": "its price, said late",
    "adjustment": "another price, by the operator",
    "refund": "a refund",
}


class Remark(NamedTuple):
    """A flag of the call, and what it means."""

    flag: str
    meaning: str


class Unit(NamedTuple):
    """So many of something, at a price each; micros, at the organization's price."""

    name: str
    number: int
    each_micros: int
    micros: int


@dataclass(frozen=True, slots=True)
class Step:
    """A moment of the timeline, with its words."""

    label: str
    meaning: str
    moment: story.Moment


@require_safe
@tenancy.page(*navigation.USAGE)
def request_page(request: HttpRequest, tenant: Tenant, request_id: str) -> HttpResponse:
    """A developer sees calls of their own keys; who may not see money, no entries. Of a
    request that was refused, what its client was told."""
    try:
        call = call_of(tenant, request_id)
    except Http404:
        found = refused.find(tenant, _id(request_id))
        if found is None:
            raise
        return refused.page(request, tenant, found)
    return _call_page(request, tenant, call)


def _id(request_id: str) -> UUID:
    """Raises: Http404 for what is no id."""
    digits = request_id.removeprefix(PREFIX)
    if len(digits) != ID_DIGITS or not is_prefix(digits):
        raise Http404
    return UUID(digits)


def _call_page(request: HttpRequest, tenant: Tenant, call: CallReport) -> HttpResponse:
    found = story.story_of(call, tenant.organization.account_id)
    sees_money = tenant.may(Permission.SEE_MONEY)
    own = sight.sees_own_only(tenant)
    context = {
        "call": call,
        "story": found,
        "steps": [_step(each) for each in found.timeline],
        "began": found.timeline[0].at or call.placed_at,
        "reason": _words(settings.REASON_WORDS)(call.reason) if call.reason else None,
        "remarks": [Remark(f, _remark(f)) for f in call.flags.split()],
        "units": _units(tenant, call),
        "key_id": keys.first_keys([call.spender_id]).get(call.spender_id),
        "sees_key_names": tenant.may(Permission.SEE_KEY_NAMES),
        "sees_members": tenant.may(Permission.SEE_MEMBERS) or own,
        "sees_money": sees_money,
        "movements": found.movements if sees_money else (),
        "others": _visible(tenant, found),
        "job_url": _job_url(tenant, found),
        "limits_url": _url("budgets", tenant.organization.slug),
    }
    return frame.show(
        request, tenant, "request/request.html", context, current="activity"
    )


def _step(moment: story.Moment) -> Step:
    label, meaning = MOMENTS[moment.name]
    if moment.name == "answered":
        meaning = "It took so long from its hold to its end."
    if moment.name == "said":
        meaning = f"It is {CORRECTIONS.get(moment.note, moment.note)}."
    return Step(label, meaning, moment)


def _words(name: str) -> Callable[[str], Any]:
    """The gateway's, which is a layer above."""
    found: Callable[[str], Any] = import_string(name)
    return found


def _remark(flag: str) -> str:
    meaning: str = _words(settings.REMARK_WORDS)(flag)
    return meaning


def _visible(tenant: Tenant, found: Story) -> list[CallReport]:
    """Other attempts, as far as this person may see them."""
    if not sight.sees_own_only(tenant):
        return list(found.others)
    own = tenant.membership.unit_id
    return [call for call in found.others if call.holder_id == own]


def _units(tenant: Tenant, call: CallReport) -> list[Unit]:
    """Units × price, where the price is the tariff's: by the tariff of now, for the one
    of then is not kept."""
    if call.basis not in (Basis.COMPUTED, Basis.ESTIMATED):
        return []
    try:
        rates = rates_for(tariffs.current(), call.operation, call.model)
    except UnpricedModel:
        return []
    factor = Account.objects.get(id=tenant.organization.account_id).price_factor_ppm
    return [_unit(name, count, each, factor) for name, count, each in _of(rates, call)]


def _of(rates: Rates, call: CallReport) -> list[tuple[str, int, int]]:
    found = [
        ("call", 1, rates.base_micros),
        ("tokens in", call.prompt_tokens, rates.prompt_token_micros),
        ("tokens out", call.completion_tokens, rates.completion_token_micros),
    ]
    return [unit for unit in found if unit[1] and unit[2]]


def _unit(name: str, count: int, each: int, factor: int) -> Unit:
    return Unit(name, count, price_of(each, factor), price_of(count * each, factor))


def _job_url(tenant: Tenant, found: Story) -> str:
    """Of the job that the call became, where there are pages of jobs."""
    job_id = found.call.request_id.replace("req_", "job_")
    return _url("job", tenant.organization.slug, job_id) if found.is_job else ""


def _url(name: str, *arguments: str) -> str:
    try:
        return reverse(name, args=arguments)
    except NoReverseMatch:
        return ""
