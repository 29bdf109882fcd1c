"""Inviting people: for one address, once, for a week, by a link.

Only a digest of the link's token is stored: the link is shown when it is made, and
made anew when it is lost. Who accepts gets the role, the projects and the cap that the
invitation says. Nobody invites to a role that they may not give, and the invitations
of somebody who loses that right are revoked (`members.py`).
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from datetime import timedelta
from hashlib import sha256

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils import timezone

from billing.values.amounts import credits_text
from billing.values.orders import AMOUNT_MICROS_MAX
from portal.models import Invitation, Membership, Organization, Project, Role, User
from portal.tenants import audit, budgets, members, policy, project_members
from portal.tenants.errors import (
    AlreadyInvited,
    AlreadyMember,
    InvalidInvitation,
    InvitationOver,
    OtherAddress,
)
from portal.tenants.roles import Permission

LIFETIME = timedelta(days=7)
PENDING_MAX = 500
EMAIL_MAX = 254


@transaction.atomic
def invite(
    organization: Organization,
    email: str,
    role: Role,
    *,
    actor: audit.Actor,
    projects: Collection[Project] | None = None,
    cap_micros: int | None = None,
) -> tuple[Invitation, str]:
    """An invitation and, this once, its token. `projects`: those that they will be
    limited to; None: all. `cap_micros`: what they may spend in a month.

    Raises: NotAllowed, InvalidInvitation, AlreadyMember, AlreadyInvited.
    """
    members.lock(organization.id)
    policy.require_assignment(actor, organization.id, role)
    if cap_micros is not None:
        policy.require(actor, organization.id, Permission.MANAGE_BUDGETS)
    email = _checked(email)
    _check_offer(organization, role, projects, cap_micros)
    if organization.memberships.filter(user__email=email).exists():
        raise AlreadyMember
    pending = organization.invitations.filter(accepted_at=None, revoked_at=None)
    now = timezone.now()
    earlier = pending.filter(email=email).first()
    if earlier is not None and earlier.state_at(now) == "pending":
        raise AlreadyInvited
    if pending.filter(expires_at__gt=now).count() >= PENDING_MAX:
        raise InvalidInvitation(f"At most {PENDING_MAX} invitations wait at once.")
    if earlier is not None:  # expired: the new one takes its place
        earlier.revoked_at = now
        earlier.save(update_fields=["revoked_at"])
    token = secrets.token_urlsafe(32)
    invitation = Invitation.objects.create(
        organization=organization,
        email=email,
        role=role,
        is_limited=projects is not None,
        cap_micros=cap_micros,
        digest=digest(token),
        invited_by=actor.user,
        expires_at=now + LIFETIME,
    )
    invitation.projects.set(projects or ())
    _record("create", invitation, actor, after=_offer(invitation))
    return invitation, token


@transaction.atomic
def renew(invitation: Invitation, *, actor: audit.Actor) -> str:
    """Another token, for another week; the one before opens nothing any more.

    Raises: NotAllowed, InvitationOver.
    """
    invitation = _locked(invitation, actor)
    if invitation.state_at(timezone.now()) not in {"pending", "expired"}:
        raise InvitationOver
    token = secrets.token_urlsafe(32)
    invitation.digest = digest(token)
    invitation.expires_at = timezone.now() + LIFETIME
    invitation.invited_by = actor.user  # who vouches for it now
    invitation.save(update_fields=["digest", "expires_at", "invited_by"])
    _record("renew", invitation, actor, expires_at=invitation.expires_at.isoformat())
    return token


@transaction.atomic
def revoke(invitation: Invitation, *, actor: audit.Actor) -> None:
    """It opens nothing any more; again changes nothing.

    Raises: NotAllowed, InvitationOver when it was accepted.
    """
    invitation = _locked(invitation, actor)
    if invitation.accepted_at is not None:
        raise InvitationOver
    if invitation.revoked_at is None:
        invitation.revoked_at = timezone.now()
        invitation.save(update_fields=["revoked_at"])
        _record("revoke", invitation, actor)


def find(token: str) -> Invitation | None:
    """By the token of a link; by its digest, so that no time tells one."""
    found = Invitation.objects.select_related("organization", "invited_by")
    return found.filter(digest=digest(token)).first()


@transaction.atomic
def accept(invitation: Invitation, *, actor: audit.Actor) -> Membership:
    """Make the person who signed in with its address a member. Accepted by them
    already, or a member anyhow: changes no right of theirs.

    Raises: OtherAddress, InvitationOver, AccountLocked.
    """
    user = person_of(invitation, actor)
    members.lock(invitation.organization_id)
    found = Invitation.objects.select_for_update(of=("self",))
    # The link's own digest: it may have been renewed while this one was open.
    current = found.select_related("organization").filter(
        pk=invitation.pk, digest=invitation.digest
    )
    if (offer := current.first()) is None:
        raise InvitationOver
    joined = offer.organization.memberships.filter(user=user).first()
    if offer.accepted_by_id == user.pk and joined is not None:
        return joined
    if offer.state_at(timezone.now()) != "pending":
        raise InvitationOver
    offer.accepted_at, offer.accepted_by = timezone.now(), user
    offer.save(update_fields=["accepted_at", "accepted_by"])
    is_new = joined is None
    membership = joined or _join(offer, user, actor)
    after = _offer(offer) if is_new else {}
    _record("accept", offer, actor, is_new_member=is_new, after=after)
    return membership


def person_of(invitation: Invitation, actor: audit.Actor) -> User:
    """The actor, if it is for them. Raises: OtherAddress."""
    user = actor.user
    if user is None or User.objects.normalize_email(user.email) != invitation.email:
        raise OtherAddress
    return user


def _join(offer: Invitation, user: User, actor: audit.Actor) -> Membership:
    membership = members.store(offer.organization, user, Role(offer.role))
    membership.is_limited = offer.is_limited
    membership.save(update_fields=["is_limited"])
    project_members.name_in(membership, list(offer.projects.all()))
    if offer.cap_micros is not None:
        budgets.store_cap(membership, offer.cap_micros, actor)
    return membership


def digest(token: str) -> str:
    return sha256(token.encode(errors="replace")).hexdigest()


def _locked(invitation: Invitation, actor: audit.Actor) -> Invitation:
    """As it is now. Raises: NotAllowed for a role that the actor may not give."""
    members.lock(invitation.organization_id)
    policy.require_assignment(actor, invitation.organization_id, invitation.role)
    found = Invitation.objects.select_for_update(of=("self",))
    return found.select_related("organization").get(pk=invitation.pk)


def _checked(email: str) -> str:
    """In its one form. Raises: InvalidInvitation."""
    email = User.objects.normalize_email(email)
    try:
        validate_email(email)
    except ValidationError as error:
        raise InvalidInvitation("That is no e-mail address.") from error
    if len(email) > EMAIL_MAX or not email.isprintable():
        raise InvalidInvitation("That is no e-mail address.")
    return email


def _check_offer(
    organization: Organization,
    role: str,
    projects: Collection[Project] | None,
    cap_micros: int | None,
) -> None:
    """Raises: InvalidInvitation."""
    if role not in Role.values:
        raise InvalidInvitation("There is no such role.")
    own = organization.projects.filter(archived_at=None)
    if projects is not None:
        wanted = {project.pk for project in projects}
        if own.filter(pk__in=wanted).count() != len(wanted):
            raise InvalidInvitation("Choose projects that are not archived.")
    if cap_micros is None:
        return
    if type(cap_micros) is not int or not 1 <= cap_micros <= AMOUNT_MICROS_MAX:
        raise InvalidInvitation("A cap is at least one microcredit.")


def _offer(invitation: Invitation) -> dict[str, object]:
    """What is given, for the audit trail."""
    cap = invitation.cap_micros
    named = invitation.projects.order_by("slug").values_list("slug", flat=True)
    return {
        "role": invitation.role,
        "projects": list(named) if invitation.is_limited else "all",
        "cap_credits_a_month": None if cap is None else credits_text(cap),
    }


def _record(
    act: str, invitation: Invitation, actor: audit.Actor, **detail: object
) -> None:
    audit.record(
        f"invitation.{act}",
        actor=actor,
        organization=invitation.organization,
        target=invitation.email[:200],
        **detail,
    )
