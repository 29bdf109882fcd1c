"""The only way from a request to an organization. Strangers learn nothing: 404."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Concatenate, ParamSpec

from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet, prefetch_related_objects
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache

from portal.models import ApiKey, Membership, Organization, Project, User
from portal.tenants import policy, roles, second_factor, slugs
from portal.tenants.errors import NotAllowed, SecondFactorNeeded
from portal.tenants.roles import Permission

Rest = ParamSpec("Rest")


@dataclass(frozen=True, slots=True)
class Tenant:
    """Who is looking at which organization, and with what rights."""

    organization: Organization
    user: User
    membership: Membership

    @property
    def role(self) -> str:
        return self.membership.role

    def may(self, *permissions: Permission) -> bool:
        """Any one of these."""
        return any(roles.may(self.role, permission) for permission in permissions)

    def may_change(self, key: ApiKey) -> bool:
        return policy.may_change_key(self.membership, key)

    def visible_keys(self) -> QuerySet[ApiKey]:
        """The keys this member may know of: all, their own in the projects that they
        may use, or none. Those of runs are their parents'."""
        keys = ApiKey.objects.filter(
            organization=self.organization, spender__parent__isnull=True
        )
        if self.may(Permission.SEE_ALL_KEYS):
            return keys
        if self.may(Permission.SEE_OWN_KEYS):
            own = keys.filter(spender__holder=self.membership.unit_id)
            if policy.is_limited(self.membership):
                own = own.filter(project__in=self.projects())
            return own
        return keys.none()

    def projects(self) -> QuerySet[Project]:
        """Those that this member may use."""
        return policy.projects_of(self.membership)


# A CSV is streamed: no HttpResponse, but their common base.
TenantView = Callable[Concatenate[HttpRequest, Tenant, Rest], HttpResponseBase]
SlugView = Callable[..., HttpResponseBase]


def enter(request: HttpRequest, slug: str, *permissions: Permission) -> Tenant:
    """The organization called `slug`, if the person is in it and may do one of these.

    Raises: Http404, the same for a stranger, a disabled member, a missing right and a
    missing organization; SecondFactorNeeded for a member who could enter but for that.
    """
    user = request.user
    assert isinstance(user, User), "a view for signed-in people only"
    memberships = Membership.objects.select_related("organization__account")
    found = get_object_or_404(
        memberships, organization__slug=slug, user=user, disabled_at=None
    )
    if policy.is_limited(found):
        prefetch_related_objects([found], "named_projects")
    tenant = Tenant(found.organization, user, found)
    if not tenant.may(*permissions):
        raise Http404
    if found.organization.requires_mfa and not second_factor.has_one(user):
        raise SecondFactorNeeded
    return tenant


def moved_to(request: HttpRequest, slug: str) -> HttpResponse | None:
    """The same page under the organization's slug of now, for its members; for others
    a former slug is as missing as any. Temporary: the slug may come back."""
    match = request.resolver_match
    now = slugs.current(slug, request.user.pk)
    if match is None or now is None:
        return None
    url = reverse(match.view_name, args=match.args, kwargs=match.kwargs | {"slug": now})
    query = request.META.get("QUERY_STRING", "")
    answer = HttpResponse(status=307)  # a form that was open is sent there as it is
    answer["Location"] = f"{url}?{query}" if query else url
    return answer


def page(*permissions: Permission) -> Callable[[TenantView[Rest]], SlugView]:
    """A view of one organization, for members with any of `permissions`.

    The view gets a `Tenant` where its URL has the slug. Nothing of it is kept by a
    browser or a proxy: it may show a secret, and always shows somebody's business.
    """

    def decorate(view: TenantView[Rest]) -> SlugView:
        @never_cache
        @login_required
        @wraps(view)
        def entered(
            request: HttpRequest, slug: str, *args: Rest.args, **kwargs: Rest.kwargs
        ) -> HttpResponseBase:
            try:
                tenant = enter(request, slug, *permissions)
            except SecondFactorNeeded:
                wanted = urlencode({"next": request.get_full_path()})
                return redirect(f"{reverse('second-factor-needed')}?{wanted}")
            except Http404:
                if moved := moved_to(request, slug):
                    return moved
                raise
            try:
                return view(request, tenant, *args, **kwargs)
            except NotAllowed:  # the right was lost after the page was entered
                raise Http404 from None

        return entered

    return decorate
