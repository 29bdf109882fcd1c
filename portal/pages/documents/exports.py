"""Exports: asking for one, how far each is, fetching it; and schedules."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from portal.documents import exports, files, focus_metadata, schedules, storage
from portal.documents.kinds import CONTENT_TYPES, FORMAT_WORDS, WORDS, Format, Kind
from portal.models import Every, Export, ExportState
from portal.pages.parts import frame, tickets
from portal.pages.parts.exports import Download
from portal.tenants import audit, tenancy
from portal.tenants.errors import FormatNotHere, NotAllowed, TooManyExports
from portal.tenants.roles import Permission
from portal.tenants.tenancy import Tenant

RIGHTS = (Permission.SEE_USAGE, Permission.SEE_MONEY)
SHOWN = 50
PIECE_BYTES = 1 << 16
EVERY_WORDS = {
    Every.DAY: "Each day, of the day before",
    Every.WEEK: "Each week, of the week before",
    Every.MONTH: "Each month, of the month before",
}


class KindForm(forms.Form):
    """What, and how it is written."""

    kind = forms.ChoiceField(label="What")
    format = forms.ChoiceField(
        label="Format", choices=[(each.value, FORMAT_WORDS[each]) for each in Format]
    )

    def __init__(self, kinds: list[Kind], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["kind"]
        field.choices = [(kind.value, WORDS[kind]) for kind in kinds]

    @property
    def wanted(self) -> tuple[Kind, Format]:
        found = self.cleaned_data
        return Kind(found["kind"]), Format(found["format"])


class ExportForm(KindForm):
    """Fields are called as in the address of other pages: `from` and `to`."""

    ticket = tickets.TicketField()

    def __init__(self, kinds: list[Kind], *args: Any, **kwargs: Any) -> None:
        super().__init__(kinds, *args, **kwargs)
        for name, label in (("from", "First day"), ("to", "Last day")):
            widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
            self.fields[name] = forms.DateField(label=label, widget=widget)
        self.order_fields(["kind", "from", "to", "format", "ticket"])


class ScheduleForm(KindForm):
    ticket = tickets.TicketField()
    every = forms.ChoiceField(
        label="How often", choices=[(each.value, EVERY_WORDS[each]) for each in Every]
    )
    mails = forms.BooleanField(
        label="Mail the link to me", required=False, initial=True
    )
    to_storage = forms.BooleanField(label="Put it into the bucket", required=False)

    def __init__(self, kinds: list[Kind], *args: Any, **kwargs: Any) -> None:
        super().__init__(kinds, *args, **kwargs)
        if not storage.is_on():
            del self.fields["to_storage"]


@require_http_methods(["GET", "HEAD", "POST"])
@tenancy.page(*RIGHTS)
def export_list(request: HttpRequest, tenant: Tenant) -> HttpResponse:
    """The form, and what was asked for: of it only what one may see."""
    kinds = exports.kinds_for(tenant.role)
    zone = frame.zone_of(tenant)
    today = timezone.now().astimezone(zone).date()
    initial = {"from": today.replace(day=1), "to": today, "kind": Kind.USAGE_DAYS}
    form = ExportForm(kinds, request.POST or None, initial=initial)
    if form.is_valid() and _asked(request, tenant, form):
        return redirect("exports", tenant.organization.slug)
    found = list(exports.visible(tenant.organization, tenant.role)[:SHOWN])
    unfinished = (ExportState.QUEUED, ExportState.RUNNING)
    context = {
        "form": form,
        "rows": [(each, WORDS[Kind(each.kind)], _percent(each)) for each in found],
        "described": [kind.value for kind in focus_metadata.SCHEMA],
        "is_waiting": any(each.state in unfinished for each in found),
        "may_schedule": tenant.may(Permission.MANAGE_DOCUMENTS),
    }
    status = 400 if form.errors else 200
    return frame.show(request, tenant, "exports/list.html", context, status=status)


def _asked(request: HttpRequest, tenant: Tenant, form: ExportForm) -> bool:
    """False where a field is wrong, which then says so."""
    found = form.cleaned_data
    ask = partial(
        exports.ask,
        tenant.organization,
        *form.wanted,
        found["from"],
        found["to"],
        actor=audit.actor_of(request),
    )
    try:
        tickets.once(tenant.user.pk, found["ticket"], ask)
    except tickets.Used:
        messages.info(request, "That export was asked for already.")
        return True
    except ValidationError as error:
        for name, said in error.message_dict.items():
            form.add_error(name, said)
    except FormatNotHere as refusal:
        form.add_error("format", str(refusal))
    except TooManyExports as refusal:
        form.add_error(None, str(refusal))
    else:
        messages.success(request, "The export is being made: it appears below.")
        return True
    return False


def _percent(export: Export) -> int | None:
    if export.state != ExportState.RUNNING or not export.rows_expected:
        return None
    return min(99, 100 * export.rows // export.rows_expected)


@require_safe
@tenancy.page(*RIGHTS)
def export_download(
    request: HttpRequest, tenant: Tenant, export_id: UUID
) -> HttpResponse:
    """Its content, to whoever may see it now."""
    export = _ready(tenant, export_id)
    path = files.folder() / export.file
    if not path.is_file():  # or on another machine
        raise Http404
    answer = Download(_pieces(path), content_type=CONTENT_TYPES[Format(export.format)])
    name = _name_of(tenant, export)
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    answer["Content-Length"] = str(export.bytes)
    answer["X-Content-SHA256"] = export.sha256
    # Not packed on its way: its length and digest are those of the file.
    answer["Content-Encoding"] = "identity"
    return cast(HttpResponse, answer)


@require_safe
@tenancy.page(*RIGHTS)
def export_metadata(
    request: HttpRequest, tenant: Tenant, export_id: UUID
) -> HttpResponse:
    """What stands beside a FOCUS file, to whoever may see that."""
    export = _ready(tenant, export_id)
    name = _name_of(tenant, export)
    told = focus_metadata.of_export(export, name)
    if told is None:
        raise Http404
    answer = HttpResponse(told, content_type="application/json")
    name += focus_metadata.ENDING
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _ready(tenant: Tenant, export_id: UUID) -> Export:
    """Raises: Http404 for what one may not see, or is not there any more."""
    found = exports.visible(tenant.organization, tenant.role)
    export = get_object_or_404(found, pk=export_id, state=ExportState.READY)
    if export.expires_at is not None and export.expires_at <= timezone.now():
        raise Http404
    return export


def _name_of(tenant: Tenant, export: Export) -> str:
    days = f"{export.since:%Y%m%d}-{export.until:%Y%m%d}"
    return f"{tenant.organization.slug}-{export.kind}-{days}.{export.format}"


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


# --- schedules ------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@tenancy.page(Permission.MANAGE_DOCUMENTS)
def schedule_list(request: HttpRequest, tenant: Tenant) -> HttpResponse:
    form = ScheduleForm(exports.kinds_for(tenant.role), request.POST or None)
    if form.is_valid() and _scheduled(request, tenant, form):
        return redirect("export-schedules", tenant.organization.slug)
    rows = [
        (each, WORDS[Kind(each.kind)], EVERY_WORDS[Every(each.every)])
        for each in schedules.of_organization(tenant.organization)
    ]
    context = {"form": form, "rows": rows}
    status = 400 if form.errors else 200
    return frame.show(request, tenant, "exports/schedules.html", context, status=status)


def _scheduled(request: HttpRequest, tenant: Tenant, form: ScheduleForm) -> bool:
    found = form.cleaned_data
    create = partial(
        schedules.create,
        tenant.organization,
        *form.wanted,
        Every(found["every"]),
        mails=found["mails"],
        to_storage=found.get("to_storage", False),
        actor=audit.actor_of(request),
    )
    try:
        tickets.once(tenant.user.pk, found["ticket"], create)
    except tickets.Used:
        return True
    except (TooManyExports, NotAllowed) as refusal:
        form.add_error(None, str(refusal))
        return False
    messages.success(request, "Scheduled.")
    return True


@tenancy.page(Permission.MANAGE_DOCUMENTS)
@require_POST
def schedule_delete(
    request: HttpRequest, tenant: Tenant, schedule_id: int
) -> HttpResponse:
    found = schedules.of_organization(tenant.organization)
    schedule = get_object_or_404(found, pk=schedule_id)
    schedules.delete(schedule, actor=audit.actor_of(request))
    messages.success(
        request, "The schedule is deleted. Its files stay as long as said."
    )
    return redirect("export-schedules", tenant.organization.slug)
