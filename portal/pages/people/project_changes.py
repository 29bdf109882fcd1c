"""Making and changing projects, and who may use them."""

from __future__ import annotations

from functools import partial
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_http_methods, require_POST

from billing.values import numbers
from billing.values.errors import AccountLocked
from billing.values.numbers import ID_MAX
from portal.models import Membership, Project, Role
from portal.pages.parts import frame, tickets
from portal.pages.parts.fields import LongSelect, NameField
from portal.pages.people.heirs_form import HeirsForm
from portal.pages.people.member_forms import BUSY
from portal.pages.people.projects import project_of
from portal.tenants import audit, heirs, policy, project_members, projects, tenancy
from portal.tenants.errors import (
    DefaultProject,
    NameTaken,
    UnfitHeir,
    WorksEverywhere,
)
from portal.tenants.roles import Permission
from portal.tenants.tenancy import Tenant

MANAGE = Permission.MANAGE_PROJECTS


class ProjectForm(forms.Form):
    """Its name, and who answers for it."""

    name = NameField(
        help_text="A product, a customer, a team: whatever you want to count apart.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "autofocus": True}),
        show_hidden_initial=True,
    )


class CreateForm(ProjectForm):
    ticket = tickets.TicketField()


class EditForm(ProjectForm):
    owner = forms.ModelChoiceField(
        Membership.objects.none(),
        label="Owner",
        required=False,
        empty_label="nobody",
        widget=LongSelect,
        help_text="Gets the keys of those who leave the project. Without one they are "
        "revoked.",
        show_hidden_initial=True,
    )

    def __init__(self, project: Project, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        organization = project.organization
        holders = organization.memberships.filter(
            disabled_at=None, role__in=[Role.OWNER, Role.ADMIN, Role.DEVELOPER]
        )
        field: Any = self.fields["owner"]
        field.queryset = holders.select_related("user").order_by("user__email")
        field.label_from_instance = lambda member: member.user.email


@require_http_methods(["GET", "HEAD", "POST"])
@tenancy.page(MANAGE)
def project_create(request: HttpRequest, tenant: Tenant) -> HttpResponse:
    organization = tenant.organization
    form = CreateForm(request.POST or None)
    if form.is_valid():
        name, actor = form.cleaned_data["name"], audit.actor_of(request)
        create = partial(projects.create, organization, name, actor=actor)
        try:
            made = tickets.once(tenant.user.pk, form.cleaned_data["ticket"], create)
        except tickets.Used:
            messages.warning(request, "That project was made already.")
            return redirect("projects", organization.slug)
        except NameTaken as refusal:
            form.add_error("name", str(refusal))
        else:
            messages.success(request, f"The project {made} is open.")
            return redirect("project", organization.slug, made.pk)
    return frame.show(request, tenant, "projects/new.html", {"form": form})


@require_http_methods(["GET", "HEAD", "POST"])
@tenancy.page(MANAGE)
def project_edit(request: HttpRequest, tenant: Tenant, pk: int) -> HttpResponse:
    project = project_of(tenant, pk)
    shown = {"name": project.name, "owner": project.owner}
    form = EditForm(project, request.POST or None, initial=shown)
    if form.is_valid():
        actor = audit.actor_of(request)
        try:
            if "name" in form.changed_data:
                projects.rename(project, form.cleaned_data["name"], actor=actor)
            if "owner" in form.changed_data:
                projects.set_owner(project, form.cleaned_data["owner"], actor=actor)
        except NameTaken as refusal:
            form.add_error("name", str(refusal))
        except UnfitHeir as refusal:
            form.add_error("owner", str(refusal))
        else:
            words = "The project is saved." if form.changed_data else "Nothing changed."
            messages.success(request, words)
            return _back(tenant, project)
    context = {"form": form, "project": project}
    return frame.show(request, tenant, "projects/edit.html", context)


@tenancy.page(MANAGE)
@require_POST
def project_archive(request: HttpRequest, tenant: Tenant, pk: int) -> HttpResponse:
    project = project_of(tenant, pk)
    try:
        projects.archive(project, actor=audit.actor_of(request))
    except DefaultProject as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(
            request, "Archived: its keys are refused until it is restored."
        )
    return _back(tenant, project)


@tenancy.page(MANAGE)
@require_POST
def project_restore(request: HttpRequest, tenant: Tenant, pk: int) -> HttpResponse:
    project = project_of(tenant, pk)
    projects.restore(project, actor=audit.actor_of(request))
    messages.success(request, "Restored: its keys work again.")
    return _back(tenant, project)


@tenancy.page(MANAGE)
@require_POST
def project_join(request: HttpRequest, tenant: Tenant, pk: int) -> HttpResponse:
    project = project_of(tenant, pk)
    member = get_object_or_404(
        tenant.organization.memberships, pk=_number(request.POST.get("member", ""))
    )
    if project_members.join(project, member, actor=audit.actor_of(request)):
        messages.success(request, f"{member.user} may use {project} now.")
    else:
        messages.info(request, "Nothing was changed.")
    return _back(tenant, project)


@require_http_methods(["GET", "HEAD", "POST"])
@tenancy.page(MANAGE)
def project_leave(
    request: HttpRequest, tenant: Tenant, pk: int, member_pk: int
) -> HttpResponse:
    """It lists the keys that they hold there: each gets an heir, or is revoked."""
    project = project_of(tenant, pk)
    memberships = tenant.organization.memberships.select_related("user", "organization")
    member = get_object_or_404(memberships, pk=member_pk)
    held = heirs.of_people(heirs.held_by(member).filter(project=project))
    lost = list(held) if policy.is_limited(member) else []
    owner = project_members.owner_of(project, member)
    preferred = {key.pk: owner for key in lost} if owner else {}
    asking = HeirsForm(member, lost, request.POST or None, preferred=preferred)
    if request.method == "POST" and (not lost or asking.is_valid()):
        try:
            project_members.leave(
                project,
                member,
                actor=audit.actor_of(request),
                wishes=asking.wishes() if lost else {},
            )
        except (WorksEverywhere, UnfitHeir) as refusal:
            messages.error(request, str(refusal))
        except AccountLocked:
            messages.error(request, BUSY)
        else:
            messages.success(request, f"{member.user} does not use {project} any more.")
        return _back(tenant, project)
    context = {"project": project, "member": member, "asking": asking}
    return frame.show(request, tenant, "projects/leave.html", context)


def _number(text: str) -> int:
    """Zero, which nobody has, for what is none."""
    return numbers.whole(text, most=ID_MAX) or 0


def _back(tenant: Tenant, project: Project) -> HttpResponse:
    return redirect("project", tenant.organization.slug, project.pk)
