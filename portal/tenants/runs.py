"""Runs (envelopes) that an API key opens: credits set aside, and a key to spend them.

Whoever asks is a key, not a person. It may do to a run what stands below it, however
deep; to its own run it may do nothing: the limit of a run is its parent's to set. It
ends with the secret that opened it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from billing import envelopes
from billing.models import Envelope, Spender
from billing.runs import Run
from billing.values.errors import UnknownHold
from portal.models import ApiKey, KeySecret, RunRequest
from portal.tenants import audit, key_format
from portal.tenants.errors import PortalError


@dataclass(frozen=True, slots=True)
class Asking:
    """Which key asks, by which of its secrets (the ledger's spender; 0: the newest),
    and with an Idempotency-Key the digests of both."""

    key_id: UUID
    spender_id: int = 0
    request_id: str = ""
    content: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A run that is to be opened."""

    micros: int
    expires_at: datetime
    label: str = ""
    model_pattern: str = ""


class OtherRequest(PortalError):
    """The Idempotency-Key was used for another request."""


class KeyLost(PortalError):
    """The run was opened before, and its key cannot be told again."""


@transaction.atomic
def open_run(
    wanted: Wanted, envelope_id: UUID, secret: str, *, asking: Asking
) -> tuple[Run, ApiKey, bool]:
    """A run, its key, and whether it was opened before. Asked again with the same
    `envelope_id` and `secret` it is the same run.

    Raises: OtherRequest, KeyLost; as `envelopes.open_envelope`.
    """
    parent = ApiKey.objects.select_related("organization").get(id=asking.key_id)
    _is_done(asking, parent, envelope_id)
    run = envelopes.open_envelope(
        envelope_id,
        asking.spender_id or parent.spender_id,
        wanted.micros,
        expires_at=wanted.expires_at,
        label=wanted.label,
        model_pattern=wanted.model_pattern,
    )
    digest = key_format.digest(secret)
    known = KeySecret.objects.filter(spender_id=run.spender_id).first()
    if known is not None:
        if known.digest != digest:
            raise KeyLost
        return run, known.key, True
    hint = {"public_id": key_format.public_id(secret), "last4": secret[-4:]}
    key = ApiKey.objects.create(
        organization=parent.organization,
        project_id=parent.project_id,
        created_by_id=parent.created_by_id,
        service_account_id=parent.service_account_id,
        spender_id=run.spender_id,
        name=wanted.label or f"run of {parent.name}"[:100],
        **hint,
    )
    key.secrets.create(spender_id=run.spender_id, digest=digest, **hint)
    _record("open", parent, run)
    return run, key, False


@transaction.atomic
def add_credits(envelope_id: UUID, micros: int, *, asking: Asking) -> Run:
    """So much more for a run; asked again under the same key, once.

    Raises: UnknownHold, OtherRequest; as `envelopes.add_credits`.
    """
    key = _key_above(envelope_id, asking)
    if _is_done(asking, key, envelope_id):
        return envelopes.look(envelope_id)
    run = envelopes.add_credits(envelope_id, micros)
    _record("add_credits", key, run, micros=micros)
    return run


@transaction.atomic
def close(envelope_id: UUID, *, asking: Asking) -> Run:
    """End a run and all inside it. Again: as it is. Raises: UnknownHold."""
    key = _key_above(envelope_id, asking)
    was_open = envelopes.look(envelope_id).closed_at is None
    run = envelopes.close(envelope_id)
    if was_open:
        _record("close", key, run)
    return run


def look(envelope_id: UUID, *, asking: Asking) -> Run:
    """Of a run below the key, or the key's own. Raises: UnknownHold."""
    key = ApiKey.objects.select_related("spender").get(id=asking.key_id)
    if key.spender.envelope_id != envelope_id:
        _key_above(envelope_id, asking)
    return envelopes.look(envelope_id)


def page(asking: Asking, *, after: UUID | None, count: int) -> tuple[list[Run], bool]:
    """Runs that the key has opened, by whichever secret, the latest first, and whether
    there are more.

    Raises: UnknownHold for an `after` that is none of them.
    """
    key = ApiKey.objects.select_related("spender").get(id=asking.key_id)
    first = key.spender.limited_id
    opened = Envelope.objects.filter(Q(parent_id=first) | Q(parent__counts_as_id=first))
    latest = opened.order_by("-created_at", "-hold_id")
    found = list(latest.values_list("hold_id", flat=True))
    start = 0
    if after is not None:
        if after not in found:
            raise UnknownHold
        start = found.index(after) + 1
    chosen = found[start : start + count]
    return [envelopes.look(each) for each in chosen], start + count < len(found)


def hint_of(run: Run) -> str:
    """What may be shown of its key."""
    return ApiKey.objects.get(spender_id=run.spender_id).hint


def _key_above(envelope_id: UUID, asking: Asking) -> ApiKey:
    """The key that asks. Raises: UnknownHold unless it opened the run, or one that it
    is part of."""
    key = ApiKey.objects.select_related("organization", "spender").get(id=asking.key_id)
    spender = Spender.objects.filter(envelope_id=envelope_id).first()
    while spender is not None and spender.parent_id is not None:
        spender = Spender.objects.get(id=spender.parent_id)
        if spender.limited_id == key.spender.limited_id:
            return key
    raise UnknownHold


def _is_done(asking: Asking, key: ApiKey, envelope_id: UUID) -> bool:
    """Whether this was asked and done before; of two at once, the second waits for the
    first. Raises: OtherRequest."""
    if not asking.request_id:
        return False
    known, is_new = RunRequest.objects.get_or_create(
        id=asking.request_id,
        defaults={
            "content": asking.content,
            "organization": key.organization,
            "envelope_id": envelope_id,
        },
    )
    if known.content != asking.content:
        raise OtherRequest
    return not is_new


def _record(act: str, key: ApiKey, run: Run, **detail: object) -> None:
    audit.record(
        f"envelope.{act}",
        actor=audit.Actor(None, f"key {key.hint}"),
        organization=key.organization,
        target=f"env_{run.envelope_id.hex}",
        credits_micros=run.credits_micros,
        label=run.label,
        **detail,
    )
