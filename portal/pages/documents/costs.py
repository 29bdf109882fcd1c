"""Where the cost of a project or a key belongs: its cost centre and its tags."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_http_methods

from portal.models.cost_label import CENTER_MAX
from portal.pages.parts import frame
from portal.tenants import audit, cost_labels, tenancy
from portal.tenants.errors import InvalidLabel
from portal.tenants.roles import Permission
from portal.tenants.tenancy import Tenant


class CostForm(forms.Form):
    """Tags are lines of name=value."""

    cost_center = forms.CharField(
        label="Cost centre", required=False, max_length=CENTER_MAX
    )
    tags = forms.CharField(
        label="Tags",
        required=False,
        max_length=8000,
        widget=forms.Textarea(attrs={"rows": 6}),
        help_text="One a line: name=value. They are in exports of usage and in FOCUS.",
    )

    def clean_tags(self) -> dict[str, str]:
        try:
            return cost_labels.parse(self.cleaned_data["tags"])
        except InvalidLabel as refusal:
            raise forms.ValidationError(str(refusal)) from refusal


@require_http_methods(["GET", "HEAD", "POST"])
@tenancy.page(Permission.MANAGE_PROJECTS)
def project_costs(request: HttpRequest, tenant: Tenant, pk: int) -> HttpResponse:
    project = get_object_or_404(tenant.projects(), pk=pk)
    found = cost_labels.of_project(project)
    back = redirect("project", tenant.organization.slug, project.pk)
    return _costs(
        request, tenant, project, found, cost_labels.set_of_project, back, "projects"
    )


@require_http_methods(["GET", "HEAD", "POST"])
@tenancy.page(Permission.SEE_ALL_KEYS, Permission.SEE_OWN_KEYS)
def key_costs(request: HttpRequest, tenant: Tenant, key_id: UUID) -> HttpResponse:
    key = get_object_or_404(tenant.visible_keys(), pk=key_id)
    found = cost_labels.of_key(key)
    back = redirect("key", tenant.organization.slug, key.pk)
    return _costs(request, tenant, key, found, cost_labels.set_of_key, back, "keys")


def _costs(
    request: HttpRequest,
    tenant: Tenant,
    subject: Any,
    found: tuple[str, dict[str, str]],
    operation: Any,
    back: Any,
    current: str,
) -> HttpResponse:
    initial = {"cost_center": found[0], "tags": cost_labels.written(found[1])}
    form = CostForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        try:
            is_new = operation(
                subject,
                values["cost_center"],
                values["tags"],
                actor=audit.actor_of(request),
            )
        except InvalidLabel as refusal:
            form.add_error(None, str(refusal))
        else:
            words = (
                "Saved: exports say so from now on." if is_new else "Nothing changed."
            )
            messages.success(request, words)
            answer: HttpResponse = back
            return answer
    context = {"form": form, "name": subject.name, "back": back.url}
    status = 400 if form.errors else 200
    return frame.show(
        request, tenant, "costs/costs.html", context, current=current, status=status
    )
