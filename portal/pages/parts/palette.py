"""Finding a page, a key, a member or a call by a few letters of it.

A page of its own; `tollgate.js` shows the same in a dialog. Each kind asks one query,
and of those that have what the letters say a few are shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from uuid import UUID

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from billing.reports.calls import find_call
from portal.models import Membership
from portal.pages.parts import frame, navigation
from portal.tenants import policy, refused, sight, tenancy
from portal.tenants.roles import Permission
from portal.tenants.tenancy import Tenant

EACH, WORDS_MAX = 6, 200


class Found(NamedTuple):
    """Something with a page."""

    kind: str
    label: str
    url: str
    shortcut: str = ""
    note: str = ""


@require_safe
@tenancy.page(*navigation.OVERVIEW)
def search(request: HttpRequest, tenant: Tenant) -> HttpResponse:
    """`part`: only the list, for the dialog."""
    words = request.GET.get("q", "").replace("\0", "").strip()[:WORDS_MAX]
    context = {"q": words, "found": list(find(tenant, words))}
    if "part" in request.GET:
        return render(request, "search/results.html", context)
    return frame.show(request, tenant, "search/search.html", context)


def find(tenant: Tenant, words: str) -> Iterator[Found]:
    """Without words all pages, with their shortcuts."""
    yield from _pages(tenant, words)
    if words:
        yield from _calls(tenant, words)
        yield from _keys(tenant, words)
        yield from _projects(tenant, words)
        yield from _members(tenant, words)


def _pages(tenant: Tenant, words: str) -> Iterator[Found]:
    for group in navigation.links_for(tenant, ""):
        for link in group.links:
            if words.casefold() in link.label.casefold():
                yield Found("Page", link.label, link.url, link.shortcut)


def _keys(tenant: Tenant, words: str) -> Iterator[Found]:
    """By name, or by the last characters of the key itself."""
    named = Q(name__icontains=words)
    if len(words) == 4 or words.startswith("tg_"):
        named |= Q(last4=words[-4:])
    keys = tenant.visible_keys().filter(named).order_by("-created_at", "pk")
    for key in keys[:EACH]:
        yield Found("Key", key.name, _url("key", tenant, key.pk), note=key.hint)


def _projects(tenant: Tenant, words: str) -> Iterator[Found]:
    named = tenant.projects().filter(name__icontains=words).order_by("name", "pk")
    for project in named[:EACH]:
        yield Found("Project", project.name, _url("project", tenant, project.pk))


def _members(tenant: Tenant, words: str) -> Iterator[Found]:
    if not tenant.may(Permission.SEE_MEMBERS):
        return
    members = Membership.objects.filter(
        organization=tenant.organization, user__email__icontains=words
    )
    for each in members.select_related("user").order_by("user__email", "pk")[:EACH]:
        may_open = policy.may_assign(tenant.role, each.role)
        url = _url("member", tenant, each.pk) if may_open else _url("members", tenant)
        yield Found("Member", each.user.email, url, note=each.role)


def _calls(tenant: Tenant, words: str) -> Iterator[Found]:
    """By the whole request id; of somebody else's there is no call."""
    try:
        hold_id = UUID(words.removeprefix("req_"))
    except ValueError:
        return
    call = find_call(tenant.organization.account_id, hold_id)
    if call is None:
        yield from _refused(tenant, hold_id)
        return
    if not _sees(tenant, call.spender_id):
        return
    url = _url("request", tenant, call.request_id)
    yield Found("Call", call.request_id, url, note=call.model)


def _refused(tenant: Tenant, request_id: UUID) -> Iterator[Found]:
    found = refused.find(tenant.organization.pk, sight.usage_of(tenant), request_id)
    if found is not None:
        url = _url("request", tenant, found.request_id)
        yield Found("Refused", found.request_id, url, note=found.code)


def _sees(tenant: Tenant, spender_id: int) -> bool:
    if tenant.may(Permission.SEE_USAGE):
        return True
    own = tenant.visible_keys()
    return own.filter(secrets__spender=spender_id).exists()


def _url(name: str, tenant: Tenant, *rest: object) -> str:
    return reverse(name, args=[tenant.organization.slug, *rest])
