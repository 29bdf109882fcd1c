"""`manage.py doubts`: the calls nobody knows the end of, and the operator's word.

Exit 0 done, 1 refused, with nothing changed. `verify_ledger` goes on naming a call that
the rule has released.
"""

from __future__ import annotations

import json
import re
from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from billing.reports.calls import CallReport
from billing.values.amounts import credits_text, micros_of
from billing.values.errors import LedgerUnavailable, Refusal
from portal.management.listing import listing
from portal.operator import doubts
from portal.tenants import audit

ACTOR = audit.Actor(None, "manage.py doubts")
REQUEST_ID = re.compile(r"req_([0-9a-f]{32})")


class Command(BaseCommand):
    help = (
        "List the calls in doubt, oldest first, or end one: --settle charges what the "
        "upstream charged, --release returns the credits. A call that the rule has "
        "already released cannot be charged later."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="machine-readable")
        parser.add_argument("--settle", metavar="req_…", help="charge this call")
        parser.add_argument("--release", metavar="req_…", help="charge it nothing")
        parser.add_argument(
            "--credits",
            metavar="N",
            help="with --settle: what the upstream charged, e.g. 12 or 0.5; the "
            "organization's price factor is applied to it",
        )
        parser.add_argument("--reason", help="how you know; kept in the audit trail")

    def handle(self, *args: Any, **options: Any) -> None:
        refuse_nonsense(options)
        if options["settle"] is None and options["release"] is None:
            rows = [row(*found) for found in doubts.in_doubt()]
            none = "No call is in doubt. All is well."
            self.stdout.write(listing(rows, is_json=options["json"], none=none))
            return
        ended = end(options)
        self.stdout.write(json.dumps(ended) if options["json"] else describe(ended))


def refuse_nonsense(options: dict[str, Any]) -> None:
    """Raises: CommandError for options that do not belong together."""
    given = {name for name, value in options.items() if value is not None}
    is_ending = bool({"settle", "release"} & given)
    if {"settle", "release"} <= given:
        raise CommandError("Either --settle or --release, not both.")
    if "settle" in given and "credits" not in given:
        raise CommandError("--settle needs --credits N: what the upstream charged.")
    if "credits" in given and "settle" not in given:
        raise CommandError("--credits belongs to --settle req_….")
    if is_ending and not (options["reason"] or "").strip():
        raise CommandError('Say why with --reason "…": it goes into the audit trail.')
    if "reason" in given and not is_ending:
        raise CommandError("--reason belongs to --settle or --release req_….")


def end(options: dict[str, Any]) -> dict[str, str | int]:
    """Raises: CommandError; nothing was changed."""
    reason, released = options["reason"], options["release"]
    hold_id = hold_id_of(options["settle"] if released is None else released)
    try:
        if released is not None:
            return doubts.release(hold_id, reason=reason, actor=ACTOR)
        micros = micros_named(options["credits"])
        return doubts.settle(hold_id, micros, reason=reason, actor=ACTOR)
    except doubts.DoubtStands as refusal:
        raise CommandError(str(refusal)) from refusal
    except Refusal as refusal:
        raise CommandError(
            f"The ledger refused: {refusal}. Nothing was changed."
        ) from refusal
    except LedgerUnavailable as error:
        raise CommandError(
            f"The database did not answer, and nothing was changed: {error}"
        ) from error


def hold_id_of(request_id: str) -> UUID:
    """Raises: CommandError."""
    match = REQUEST_ID.fullmatch(request_id)
    if match is None:
        raise CommandError(
            f"{request_id!r} is no request id: req_ and 32 digits from 0 to f, as in "
            "the x-request-id of a reply and in the list of this command."
        )
    return UUID(match[1])


def micros_named(credits: str) -> int:
    """Raises: CommandError."""
    try:
        return micros_of(credits)
    except ValueError as error:
        raise CommandError(
            f"--credits {credits!r}: write plain credits, 0 or more, with "
            "at most six decimals, e.g. 12 or 0.5."
        ) from error


def row(call: CallReport, organization: str) -> dict[str, str]:
    """One line of the list. `since` is when the call came to doubt."""
    return {
        "id": call.request_id,
        "organization": organization,
        "operation": call.operation,
        "model": call.model,
        "held_credits": credits_text(call.held_micros),
        "since": doubts.moment(call.ended_at),
        "reason": call.reason,
    }


def describe(ended: dict[str, str | int]) -> str:
    """What happened, and what is left, for people."""
    who = ended["organization"] or "its account"
    happened = (
        f"{ended['id']} {ended['state']}: of {ended['held_credits']} credits held, "
        f"{ended['charged_credits']} charged and {ended['returned_credits']} returned."
    )
    if ended["absorbed_credits"] != "0":
        happened += f" The operator bears {ended['absorbed_credits']} that {who} lacks."
    return (
        f"{happened}\n{who} has {ended['available_credits']} credits available; "
        f"calls still in doubt: {ended['still_in_doubt']}."
    )
