"""Inviting somebody, the invitations that were made, and the page where one leads."""

from __future__ import annotations

from functools import partial
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.mail import EmailMessage
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from billing.values.errors import AccountLocked
from portal.models import Invitation, Role
from portal.pages.parts import frame, tables, tickets
from portal.pages.parts.fields import CreditsField
from portal.pages.people.member_forms import BUSY, ProjectsFields, RoleField, assignable
from portal.signing_in import limits, sign_up
from portal.tenants import audit, invitations, policy, roles, tenancy
from portal.tenants.errors import (
    AlreadyInvited,
    AlreadyMember,
    InvalidInvitation,
    InvitationOver,
    OtherAddress,
)
from portal.tenants.roles import Permission
from portal.tenants.tenancy import Tenant

MANAGE = Permission.MANAGE_MEMBERS


class InviteForm(RoleField, ProjectsFields):
    """Whom, as what, where, and how much they may spend."""

    email = forms.EmailField(
        label="E-mail address",
        max_length=invitations.EMAIL_MAX,
        widget=forms.EmailInput(attrs={"autocomplete": "off", "autofocus": True}),
    )
    cap = CreditsField(
        label="Cap a month, in credits",
        help_text="A hard limit on all keys that they will hold. Empty: none.",
    )
    ticket = tickets.TicketField()

    def __init__(self, tenant: Tenant, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.offer(assignable(tenant))
        self.offer_projects(tenant.organization)


TABLE = tables.Table(
    "invitations",
    "Invitations that wait, or have expired",
    (
        tables.Column("email", "Address", order="email"),
        tables.Column("role", "Role", order="role"),
        tables.Column("invited_by", "By", "invited_by.email"),
        tables.Column(
            "invited", "Made", "created_at", tables.Kind.AGO, order="created_at"
        ),
        tables.Column(
            "expires", "Expires", "expires_at", tables.Kind.AGO, order="expires_at"
        ),
        tables.Column(
            "state",
            "State",
            lambda row: row.state_at(timezone.now()),
            tables.Kind.STATE,
        ),
        tables.Column(
            "change",
            "Change",
            "pk",
            template="members/invitation_cell.html",
            is_in_csv=False,
        ),
    ),
    sort="-invited",
    empty="No invitation waits.",
)


@require_safe
@tenancy.page(MANAGE)
def invitation_list(request: HttpRequest, tenant: Tenant) -> HttpResponseBase:
    found = tenant.organization.invitations.filter(accepted_at=None, revoked_at=None)
    found = found.select_related("invited_by")
    if tables.wants_csv(request):
        return TABLE.csv(request, found)
    given = assignable(tenant)

    def prepare(rows: list[Any]) -> list[Any]:
        for row in rows:
            row.may_change = row.role in given
            row.slug = tenant.organization.slug
        return rows

    context = {"listing": TABLE.show(request, found, prepare=prepare)}
    return frame.show(
        request, tenant, "members/invitations.html", context, current="members"
    )


@require_http_methods(["GET", "HEAD", "POST"])
@tenancy.page(MANAGE)
@sensitive_variables()
def invite(request: HttpRequest, tenant: Tenant) -> HttpResponse:
    organization = tenant.organization
    form = InviteForm(tenant, request.POST or None, initial={"role": Role.DEVELOPER})
    if form.is_valid():
        invite_them = partial(
            invitations.invite,
            organization,
            form.cleaned_data["email"],
            Role(form.cleaned_data["role"]),
            actor=audit.actor_of(request),
            projects=form.wanted(),
            cap_micros=form.cleaned_data["cap"],
        )
        try:
            made, token = tickets.once(
                tenant.user.pk, form.cleaned_data["ticket"], invite_them
            )
        except tickets.Used:
            messages.warning(
                request, "That invitation was made already: make another link for it."
            )
            return redirect("invitations", organization.slug)
        except (AlreadyInvited, AlreadyMember, InvalidInvitation) as refusal:
            form.add_error("email", str(refusal))
        else:
            return show_link(request, tenant, made, token)
    context = {"form": form}
    return frame.show(
        request, tenant, "members/invite.html", context, current="members"
    )


@tenancy.page(MANAGE)
@require_POST
@sensitive_variables()
def invitation_renew(request: HttpRequest, tenant: Tenant, pk: int) -> HttpResponse:
    found = get_object_or_404(tenant.organization.invitations, pk=pk)
    try:
        token = invitations.renew(found, actor=audit.actor_of(request))
    except InvitationOver as refusal:
        messages.error(request, str(refusal))
        return redirect("invitations", tenant.organization.slug)
    found.refresh_from_db()
    return show_link(request, tenant, found, token)


@tenancy.page(MANAGE)
@require_POST
def invitation_revoke(request: HttpRequest, tenant: Tenant, pk: int) -> HttpResponse:
    found = get_object_or_404(tenant.organization.invitations, pk=pk)
    try:
        invitations.revoke(found, actor=audit.actor_of(request))
    except InvitationOver:
        messages.error(request, f"{found.email} has accepted it already.")
    else:
        messages.success(request, f"The invitation of {found.email} is revoked.")
    return redirect("invitations", tenant.organization.slug)


@sensitive_variables()
def show_link(
    request: HttpRequest, tenant: Tenant, invitation: Invitation, token: str
) -> HttpResponse:
    """The one time that the link is shown. `tenancy.page` says no-store."""
    link = f"{settings.PUBLIC_ORIGIN}{reverse('invitation', args=[token])}"
    is_mailed = _mail(tenant, invitation, link)
    context = {"invitation": invitation, "link": link, "is_mailed": is_mailed}
    return frame.show(request, tenant, "members/link.html", context, current="members")


@sensitive_variables()
def _mail(tenant: Tenant, invitation: Invitation, link: str) -> bool:
    """Send it to them, beside the page. False when so many went to that address, or
    from this person, that no more do: the link is to be copied then."""
    if not limits.allow_invitation(tenant.user.pk, invitation.email):
        return False
    known = {
        "invitation": invitation,
        "link": link,
        "inviter": tenant.user.email,
        "organization": tenant.organization,
    }
    subject = render_to_string("invitation/mail_subject.txt", known)
    body = render_to_string("invitation/mail_message.txt", known)
    mail = EmailMessage(
        " ".join(subject.split()), body.strip() + "\n", to=[invitation.email]
    )
    mail.send(fail_silently=True)  # the link is on the page, too
    return True


# --- where it leads -------------------------------------------------------------


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_variables()
def invitation_page(request: HttpRequest, token: str) -> HttpResponse:
    """For everybody who has the link. It says what to do, whoever opens it."""
    found = invitations.find(token)
    if found is None:
        return render(request, "invitation/unknown.html", status=404)
    context: dict[str, Any] = {"invitation": found, "next": request.path}
    state = found.state_at(timezone.now())
    if not request.user.is_authenticated:
        if state != "pending":
            context["state"] = state
            return render(request, "invitation/over.html", context, status=410)
        request.session[sign_up.INVITED] = request.path
        context["may_sign_up"] = sign_up.is_open(request)
        return render(request, "invitation/stranger.html", context)
    actor = audit.actor_of(request)
    try:
        user = invitations.person_of(found, actor)
    except OtherAddress:
        return render(request, "invitation/other_address.html", context, status=403)
    is_member = found.organization.memberships.filter(user=user).exists()
    if state == "accepted" and is_member:
        return arrived(request, found)
    if state != "pending":
        context["state"] = state
        return render(request, "invitation/over.html", context, status=410)
    if request.method == "POST":
        try:
            invitations.accept(found, actor=actor)
        except InvitationOver:  # since the page was read
            return redirect(request.path)
        except AccountLocked:
            messages.error(request, BUSY)
            return redirect(request.path)
        request.session.pop(sign_up.INVITED, None)
        messages.success(request, f"Welcome to {found.organization}.")
        return arrived(request, found)
    return render(request, "invitation/accept.html", context)


def arrived(request: HttpRequest, invitation: Invitation) -> HttpResponse:
    """The first page of a new member: the key, for who makes keys."""
    actor, organization = audit.actor_of(request), invitation.organization
    role = policy.role_of(actor, organization.pk)
    makes_keys = roles.may(role, Permission.CREATE_KEYS)
    return redirect("key-create" if makes_keys else "overview", organization.slug)
