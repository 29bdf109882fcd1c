"""The list of members, and the page of one: role, projects, cap, disabled or not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from billing.budgets import Subject
from billing.models.budget import Level, Window
from billing.values.errors import AccountLocked
from portal.models import Membership, Role
from portal.pages.parts import filters, frame, navigation, tables, tickets
from portal.pages.people.heirs_form import HeirsForm
from portal.pages.people.member_forms import (
    BUSY,
    EVERYWHERE,
    SOME,
    CapForm,
    ConfirmForm,
    ProjectsForm,
    RoleForm,
    assignable,
)
from portal.signing_in import sessions
from portal.tenants import (
    audit,
    budgets,
    heirs,
    members,
    policy,
    project_members,
    second_factor,
    tenancy,
)
from portal.tenants.errors import InvalidBudget, LastOwner, OwnLimit, UnfitHeir
from portal.tenants.roles import Permission
from portal.tenants.tenancy import Tenant

MANAGE = Permission.MANAGE_MEMBERS


@dataclass(frozen=True, slots=True)
class Row:
    """A member, and all that the list shows of them."""

    pk: int
    email: str
    name: str
    role: str
    projects: str
    cap_micros: int | None
    seen_at: datetime | None
    second_factor: str
    state: str
    joined_at: datetime
    linked: int | None  # to their page, for who may change them


TABLE = tables.Table(
    "members",
    "Members of this organization",
    (
        tables.Column(
            "email",
            "Address",
            order="user__email",
            link="member",
            link_to="linked",
        ),
        tables.Column("name", "Name", order="user__name"),
        tables.Column("role", "Role", order="role", filters="role"),
        tables.Column("projects", "Projects"),
        tables.Column("cap", "Cap a month", "cap_micros", tables.Kind.CREDITS),
        tables.Column("last_seen", "Last seen", "seen_at", tables.Kind.AGO),
        tables.Column("second_factor", "Second factor"),
        tables.Column("state", "State", kind=tables.Kind.STATE, filters="state"),
        tables.Column(
            "joined", "Joined", "joined_at", tables.Kind.AGO, order="created_at"
        ),
    ),
    sort="email",
    empty="Nobody here fits the filter.",
)


@require_safe
@tenancy.page(*navigation.MEMBERS)
def member_list(request: HttpRequest, tenant: Tenant) -> HttpResponseBase:
    organization = tenant.organization
    bar = filters.read(
        request.GET,
        frame.zone_of(tenant),
        (
            filters.Text("find", "Address or name contains"),
            filters.Choice("role", "Role", [(role, role) for role in Role.values]),
            filters.Choice(
                "state", "State", [("active", "active"), ("disabled", "disabled")]
            ),
        ),
    )
    found = _filtered(tenant, bar)

    def prepare(rows: list[Any]) -> list[Row]:
        return _rows(tenant, rows)

    if tables.wants_csv(request):
        return TABLE.csv(request, found, prepare=prepare)
    waiting = organization.invitations.filter(accepted_at=None, revoked_at=None)
    context = {
        "listing": TABLE.show(request, found, prepare=prepare),
        "filters": bar,
        "waiting": waiting.count(),
        "may_invite": tenant.may(MANAGE),
    }
    return frame.show(request, tenant, "members/list.html", context)


def _filtered(tenant: Tenant, bar: filters.Filters) -> Any:
    found = tenant.organization.memberships.select_related("user")
    if text := bar.get("find"):
        has_it = Q(user__email__icontains=text) | Q(user__name__icontains=text)
        found = found.filter(has_it)
    if role := bar.get("role"):
        found = found.filter(role=role)
    if state := bar.get("state"):
        found = found.filter(disabled_at__isnull=state == "active")
    return found.prefetch_related("named_projects__project")


def _rows(tenant: Tenant, found: list[Membership]) -> list[Row]:
    """Of all at once: a constant number of queries."""
    caps = budgets.caps_of(tenant.organization)
    user_ids = [each.user_id for each in found]
    seen_at = sessions.last_seen(user_ids)
    safe = second_factor.whose(user_ids)
    return [
        Row(
            pk=each.pk,
            email=each.user.email,
            name=each.user.name or "",
            role=each.role,
            projects=_projects_of(each),
            cap_micros=caps[each.unit_id].limit_micros
            if each.unit_id in caps
            else None,
            seen_at=seen_at.get(each.user_id),
            second_factor="yes" if each.user_id in safe else "no",
            state="active" if each.disabled_at is None else "disabled",
            joined_at=each.created_at,
            linked=each.pk if policy.may_assign(tenant.role, each.role) else None,
        )
        for each in found
    ]


def _projects_of(membership: Membership) -> str:
    if not policy.is_limited(membership):
        return "all"
    names = sorted(each.project.name for each in membership.named_projects.all())
    return ", ".join(names) or "none"


# --- one member ----------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@tenancy.page(MANAGE)
def member_page(request: HttpRequest, tenant: Tenant, pk: int) -> HttpResponse:
    """Each form says by its button what it changes; the others stay as they are."""
    member = member_of(tenant, pk)
    changed = request.POST.get("change", "")
    all_forms = _forms(request, tenant, member, changed)
    form = all_forms.get(changed)
    if form is not None and form.is_valid():
        try:
            answer = SAVES[changed](request, tenant, member, form)
        except (LastOwner, OwnLimit, InvalidBudget) as refusal:
            form.add_error(None, str(refusal))
        except AccountLocked:
            form.add_error(None, BUSY)
        else:
            return answer
    shown_forms = {f"{name}_form": each for name, each in all_forms.items()}
    context = {**shown_forms, **_shown(tenant, member)}
    return frame.show(
        request, tenant, "members/member.html", context, current="members"
    )


def member_of(tenant: Tenant, pk: int) -> Membership:
    """Raises: Http404 for who may not be changed by this person, too."""
    found = tenant.organization.memberships.select_related("user", "organization")
    member = get_object_or_404(found, pk=pk)
    if not policy.may_assign(tenant.role, member.role):
        raise Http404
    return member


def _forms(
    request: HttpRequest, tenant: Tenant, member: Membership, changed: str
) -> dict[str, forms.Form]:
    def sent(name: str) -> Any:
        return request.POST if changed == name else None

    named = [each.project_id for each in member.named_projects.all()]
    reach = SOME if member.is_limited else EVERYWHERE
    cap = budgets.caps_of(tenant.organization).get(member.unit_id)
    shown = ",".join([reach, *map(str, sorted(named))])
    return {
        "role": RoleForm(
            assignable(tenant),
            member.role,
            sent("role"),
            initial={"role": member.role},
        ),
        "projects": ProjectsForm(
            tenant.organization,
            shown,
            sent("projects"),
            initial={"reach": reach, "projects": named},
        ),
        "cap": CapForm(sent("cap"), initial={"cap": cap.limit_micros if cap else None}),
    }


def _shown(tenant: Tenant, member: Membership) -> dict[str, Any]:
    (row,) = _rows(tenant, [member])
    held = heirs.of_people(heirs.held_by(member))
    is_self = member.user_id == tenant.user.pk
    return {"member": member, "row": row, "keys": held.count(), "is_self": is_self}


def _save_role(
    request: HttpRequest, tenant: Tenant, member: Membership, form: forms.Form
) -> HttpResponse:
    role = Role(form.cleaned_data["role"])
    if role == member.role:
        return _unchanged(request, tenant, member)
    members.change_role(member, role, actor=audit.actor_of(request))
    messages.success(request, f"{member.user} is {role} now.")
    if member.user_id == tenant.user.pk:
        return redirect("home")  # the page may not be theirs any more
    return _back(tenant, member)


def _save_projects(
    request: HttpRequest, tenant: Tenant, member: Membership, form: ProjectsForm
) -> HttpResponse:
    """Where keys would be lost, the page asks whose they become before it changes
    anything."""
    wanted = form.wanted()
    lost = project_members.lost_keys(member, wanted)
    owners = {
        key.pk: owner
        for key in lost
        if (owner := project_members.owner_of(key.project, member))
    }
    is_answer = "confirmed" in request.POST
    asking = HeirsForm(
        member, lost, request.POST if is_answer else None, preferred=owners
    )
    if lost and not asking.is_valid():
        context = {"member": member, "asking": asking, "kept": form}
        return frame.show(
            request, tenant, "members/projects.html", context, current="members"
        )
    wishes = asking.wishes() if lost else {}
    actor = audit.actor_of(request)
    try:
        is_changed = project_members.limit(member, wanted, actor=actor, wishes=wishes)
    except UnfitHeir as refusal:  # they were fit when the page was read
        messages.error(request, str(refusal))
        return _back(tenant, member)
    if not is_changed:
        return _unchanged(request, tenant, member)
    messages.success(request, f"The projects of {member.user} are saved.")
    return _back(tenant, member)


def _save_cap(
    request: HttpRequest, tenant: Tenant, member: Membership, form: forms.Form
) -> HttpResponse:
    if not form.has_changed():
        return _unchanged(request, tenant, member)
    organization, actor = tenant.organization, audit.actor_of(request)
    if (micros := form.cleaned_data["cap"]) is not None:
        budgets.set_limit(
            organization,
            Subject(Level.MEMBER, holder_id=member.unit_id),
            Window.MONTH,
            micros,
            counts_spend_so_far=True,
            actor=actor,
        )
    elif budget := budgets.caps_of(organization).get(member.unit_id):
        budgets.remove(organization, budget.id, actor=actor)
    messages.success(request, f"The cap of {member.user} is saved.")
    return _back(tenant, member)


SAVES: dict[str, Callable[[HttpRequest, Tenant, Membership, Any], HttpResponse]] = {
    "role": _save_role,
    "projects": _save_projects,
    "cap": _save_cap,
}


@tenancy.page(MANAGE)
@require_POST
def member_disable(request: HttpRequest, tenant: Tenant, pk: int) -> HttpResponse:
    member = member_of(tenant, pk)
    try:
        members.disable(member, actor=audit.actor_of(request))
    except LastOwner as refusal:
        messages.error(request, str(refusal))
    else:
        words = f"{member.user} is disabled: their keys and pages are refused."
        messages.success(request, words)
    return _back(tenant, member)


@tenancy.page(MANAGE)
@require_POST
def member_enable(request: HttpRequest, tenant: Tenant, pk: int) -> HttpResponse:
    member = member_of(tenant, pk)
    members.enable(member, actor=audit.actor_of(request))
    messages.success(request, f"{member.user} is enabled again.")
    return _back(tenant, member)


@require_http_methods(["GET", "HEAD", "POST"])
@tenancy.page(MANAGE)
def member_remove(request: HttpRequest, tenant: Tenant, pk: int) -> HttpResponse:
    """It lists the keys that they hold: each gets an heir, or is revoked."""
    if tickets.is_used(tenant.user.pk, request.POST.get("ticket", "")):
        messages.info(request, "They were removed already.")
        return redirect("members", tenant.organization.slug)
    member = member_of(tenant, pk)
    held = list(heirs.of_people(heirs.held_by(member)))
    asking = HeirsForm(member, held, request.POST or None)
    form = ConfirmForm(member.user.email, request.POST or None)
    if form.is_valid() & (asking.is_valid() or not held):
        remove = partial(
            members.remove,
            member,
            actor=audit.actor_of(request),
            heirs=asking.given() if held else {},
        )
        try:
            tickets.once(tenant.user.pk, form.cleaned_data["ticket"], remove)
        except tickets.Used:
            messages.info(request, "They were removed already.")
            return redirect("members", tenant.organization.slug)
        except (LastOwner, UnfitHeir) as refusal:
            form.add_error(None, str(refusal))
        except AccountLocked:
            form.add_error(None, BUSY)
        else:
            messages.success(request, f"{member.user} is no member any more.")
            return redirect("members", tenant.organization.slug)
    context = {"member": member, "asking": asking, "form": form}
    return frame.show(
        request, tenant, "members/remove.html", context, current="members"
    )


def _unchanged(
    request: HttpRequest, tenant: Tenant, member: Membership
) -> HttpResponse:
    messages.info(request, "Nothing was changed.")
    return _back(tenant, member)


def _back(tenant: Tenant, member: Membership) -> HttpResponse:
    return redirect("member", tenant.organization.slug, member.pk)
