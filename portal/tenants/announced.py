"""What is written into an organization's trail, and what of it is an event, too."""

from __future__ import annotations

import json

from billing import outbox
from billing.outbox import DATA_BYTES_MAX, JSON
from billing.values.amounts import micros_of
from portal.models import AuditEvent

ANNOUNCED = {
    "api_key.create": "key.created",
    "api_key.rotate": "key.rotated",
    "api_key.revoke": "key.revoked",
    "api_key.disable": "key.paused",
    "member.add": "member.joined",
    "member.remove": "member.removed",
    "invitation.create": "member.invited",
    "raise_request.create": "budget.raise_requested",
    "budget.raise": "budget.raised",
}


def announce(row: AuditEvent) -> None:
    """Emit what the row tells, if somebody may want to know. Call it in the row's
    transaction."""
    kind = ANNOUNCED.get(row.action)
    if kind is None or row.organization is None:
        return
    detail: dict[str, JSON] = dict(row.detail)
    data: dict[str, JSON] = {
        "object": kind.partition(".")[0],
        "name": row.target,
        "by": row.actor_label,
        "detail": detail,
    }
    if row.action == "raise_request.create":
        data["asked_by"] = row.actor_label
        data["amount_micros"] = micros_of(str(detail["credits"]))
    if len(json.dumps(data).encode()) > DATA_BYTES_MAX:
        data["detail"] = None
    account_id = row.organization.account_id
    outbox.emit(account_id, kind, data, key=f"audit {row.pk}")
