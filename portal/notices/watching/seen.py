"""What one look at an organization goes by, and how it says what it found."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from billing import outbox
from billing.outbox import JSON
from portal.models import Organization
from portal.notices.alerts import Setting


@dataclass(frozen=True, slots=True)
class Seen:
    """An organization at one moment. What is found is an event, alert or not: a
    webhook may want what nobody wants mailed."""

    organization: Organization
    now: datetime
    settings: dict[str, Setting]
    since: datetime  # a little before the last look

    @property
    def account_id(self) -> int:
        return self.organization.account_id

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.organization.account.time_zone)

    def emit(self, type: str, key: str, **data: JSON) -> None:
        """Once for each key: the period that is told of is in it."""
        outbox.emit(self.account_id, type, data, key=key)

    def day(self, moment: datetime) -> str:
        """Of the organization's calendar."""
        return moment.astimezone(self.zone).date().isoformat()
