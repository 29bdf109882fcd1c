"""The month's statement and its FOCUS file, whose totals are the ledger's."""

from __future__ import annotations

import csv
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings

from billing.models import Transfer
from billing.models.transfer import TransferKind
from billing.reports.months import month_of, span_of
from billing.reports.periods import Range
from billing.statements import of_month
from billing.values import clock
from billing.values.amounts import credits_text
from portal.documents import files, months, pdf, write
from portal.documents.kinds import Format, Kind
from portal.models import Organization
from portal.tenants import audit


def last_month(organization: Organization) -> str:
    zone = organization.account.time_zone
    running = span_of(zone, month_of(zone, clock.now()))
    return month_of(zone, running.start - timedelta(days=1))


def make(organization: Organization, actor: audit.Actor) -> tuple[list[str], bool]:
    """Close the last month, write its documents; what to say, and if it adds up."""
    month = last_month(organization)
    number = months.close(organization, month, actor=actor)[0].label
    folder = Path(settings.VAR_DIR) / "documents"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    statement = folder / f"statement-{month}.pdf"
    with files.private_file(statement) as file:
        file.write(pdf.statement(months.documents_of(organization, month)))
    of = of_month(organization.account_id, month)[0]
    span, focus = Range(of.starts_at, of.ends_at), folder / f"focus-{month}.csv"
    made = write.to_file(organization, Kind.FOCUS, Format.CSV, span, focus)
    found, said = charged_in(focus), booked(organization, span)
    verdict = "equal" if found == said else "DIFFERENT"
    return [
        f"Statement {number} of {month}: {statement}",
        f"FOCUS 1.2 of {month}: {focus}, {made.rows} rows. It says "
        f"{credits_text(found)} credits of usage, the ledger {credits_text(said)}: "
        f"{verdict}.",
    ], found == said


def charged_in(path: Path) -> int:
    """Microcredits of usage in a FOCUS file."""
    with path.open(newline="") as file:
        return sum(
            int(row["x_CreditsMicros"])
            for row in csv.DictReader(file)
            if row["ChargeCategory"] == "Usage"
        )


def booked(organization: Organization, span: Range) -> int:
    """What the ledger moved from the credits to usage and did not move back: its
    transfers, one by one."""
    total = 0
    ours = {"created_at__gte": span.start, "created_at__lt": span.end}
    account = organization.account_id
    kinds: dict[str, dict[str, Any]] = {
        TransferKind.USAGE: {"source_id": account},
        TransferKind.REFUND: {"destination_id": account},
    }
    for kind, end in kinds.items():
        found = Transfer.objects.filter(kind=kind, **ours, **end)
        amount = sum(found.values_list("amount_micros", flat=True))
        total += amount if kind == TransferKind.USAGE else -amount
    return total
