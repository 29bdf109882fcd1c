"""Signing up: who may, and the organization that a newcomer begins with."""

from __future__ import annotations

from datetime import timedelta

from allauth.account.models import EmailAddress
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.urls import Resolver404, resolve
from django.utils import timezone

from billing import grants, purging
from billing.models.grant import GrantSource
from billing.values.orders import CREDIT
from portal.models import Invitation, Organization, SignUp, User
from portal.signing_in import methods
from portal.tenants import audit, invitations, names, organizations
from portal.tenants.errors import InvalidName

OPEN, INVITATION, CLOSED = "open", "invitation", "closed"
# In a session: the name of the organization that its sign-up asked for; and the path of
# the invitation that its sign-up follows (`pages/people/invitations.py` writes it).
NAME, INVITED = "sign_up_organization", "invitation"
# An account nobody proved the address of keeps that address from its owner no longer.
UNPROVED = timedelta(days=1)
NEWCOMER = "sign-up"


def is_open(request: HttpRequest) -> bool:
    """Whether this browser may sign up."""
    if settings.SIGNUP == OPEN:
        return True
    return settings.SIGNUP == INVITATION and invitation_of(request) is not None


def invitation_of(request: HttpRequest) -> Invitation | None:
    """The one that this browser has opened the link of, while it can be accepted."""
    try:
        token = resolve(request.session.get(INVITED) or "").kwargs.get("token")
    except Resolver404:
        return None
    found = invitations.find(token) if token else None
    is_pending = found is not None and found.state_at(timezone.now()) == "pending"
    return found if is_pending else None


def makes_organizations(request: HttpRequest) -> bool:
    """Who is invited comes into the organization that invited them."""
    return settings.SIGNUP == OPEN and invitation_of(request) is None


def record(request: HttpRequest, email: str) -> None:
    """Somebody says that this is their address: not proved yet, so no actor."""
    actor = audit.stranger(request, email[: methods.TARGET_MAX])
    audit.record_of_person("user.sign_up", None, actor=actor)


def complete(request: HttpRequest, user: User) -> None:
    """The address is proved: make what the sign-up asked for."""
    name = request.session.pop(NAME, "")
    if name and makes_organizations(request):
        found(user, name, ip_address=audit.address_of(request))


@transaction.atomic
def found(user: User, name: str, *, ip_address: str | None) -> Organization | None:
    """The person's first organization, with SIGNUP_CREDITS. Once: None when they made
    theirs already, or are in one.

    Raises: InvalidName.
    """
    locked = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    has_made = SignUp.objects.filter(user=locked).exists()
    if has_made or locked.memberships.exists():
        return None
    actor = audit.Actor(None, NEWCOMER, ip_address)
    organization = organizations.create(name, owner=locked, actor=actor)
    SignUp.objects.create(user=locked, organization=organization)
    if settings.SIGNUP_CREDITS:
        grants.issue(
            organization.account_id,
            settings.SIGNUP_CREDITS * CREDIT,
            source=GrantSource.TRIAL,
            reference=f"sign-up:{organization.pk}",
        )
        audit.record(
            "organization.starter_credits",
            actor=actor,
            organization=organization,
            credits=settings.SIGNUP_CREDITS,
        )
    return organization


def default_name(name: str, email: str) -> str:
    """For a form that shall not be empty."""
    try:
        return names.clean(name or email.partition("@")[0])
    except InvalidName:
        return "My organization"


def purge_unproved() -> int:
    """Delete accounts whose address nobody proved within a day; how many."""
    proved = EmailAddress.objects.filter(verified=True).values("user_id")
    stale = User.objects.filter(
        last_login=None,
        date_joined__lt=timezone.now() - UNPROVED,
        memberships=None,
        is_staff=False,
    ).exclude(pk__in=proved)
    return purging.purge(stale)
