"""`manage.py doubts`: the calls nobody knows the end of, and the operator's word.

The words are here; what is done is in `portal/operator/doubts.py`.

Exit 0 done, 1 refused, with nothing changed. A call that the rule has released (after
`IN_DOUBT_SECONDS`) is not in doubt any more and cannot be charged later: the ledger
has no order for that. `verify_ledger` goes on naming it.
"""

from __future__ import annotations

import json
import re
from argparse import ArgumentParser
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from billing.models.hold import HoldState
from billing.models.usage import Basis
from billing.reports.calls import CallReport
from billing.values.amounts import credits_text, micros_of
from billing.values.errors import LedgerUnavailable, Refusal
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
            self._list(is_json=options["json"])
            return
        ended = end(options)
        text = json.dumps(figures(ended)) if options["json"] else describe(ended)
        self.stdout.write(text)

    def _list(self, *, is_json: bool) -> None:
        rows = [row(*found) for found in doubts.in_doubt()]
        if is_json:
            self.stdout.write(json.dumps(rows))
            return
        if not rows:
            self.stdout.write("No call is in doubt. All is well.")
            return
        self.stdout.write(aligned(rows))


def aligned(rows: list[dict[str, Any]]) -> str:
    """Rows with the same columns as text, under their names."""
    table = [list(rows[0]), *(list(map(str, row.values())) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    layout = "  ".join(f"{{:<{width}}}" for width in widths)
    return "\n".join(layout.format(*line).rstrip() for line in table)


def refuse_nonsense(options: dict[str, Any]) -> None:
    """Raises: CommandError for options that do not belong together."""
    is_settling = options["settle"] is not None
    is_releasing = options["release"] is not None
    if is_settling and is_releasing:
        raise CommandError("Either --settle or --release, not both.")
    if is_settling and options["credits"] is None:
        raise CommandError("--settle needs --credits N: what the upstream charged.")
    if options["credits"] is not None and not is_settling:
        raise CommandError("--credits belongs to --settle req_….")
    is_ending = is_settling or is_releasing
    if is_ending and not (options["reason"] or "").strip():
        raise CommandError('Say why with --reason "…": it goes into the audit trail.')
    if options["reason"] is not None and not is_ending:
        raise CommandError("--reason belongs to --settle or --release req_….")


def end(options: dict[str, Any]) -> doubts.Ended:
    """Raises: CommandError; nothing was changed."""
    named = options["settle"] if options["release"] is None else options["release"]
    hold_id = hold_id_of(named)
    try:
        if options["release"] is not None:
            return doubts.release(hold_id, reason=options["reason"], actor=ACTOR)
        micros = micros_named(options["credits"])
        return doubts.settle(hold_id, micros, reason=options["reason"], actor=ACTOR)
    except doubts.DoubtStands as refusal:
        raise CommandError(explain(refusal, named)) from refusal
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
        "since": moment(call.ended_at),
        "reason": call.reason,
    }


def figures(ended: doubts.Ended) -> dict[str, str | int]:
    """What happened, in credits, and what is left."""
    return {
        "id": ended.request_id,
        "organization": ended.organization,
        "state": ended.outcome.state,
        "held_credits": credits_text(ended.outcome.held_micros),
        "charged_credits": credits_text(ended.outcome.charged_micros),
        "absorbed_credits": credits_text(ended.outcome.absorbed_micros),
        "returned_credits": credits_text(ended.returned_micros),
        "available_credits": credits_text(ended.outcome.available_micros),
        "still_in_doubt": ended.still_in_doubt,
    }


def describe(ended: doubts.Ended) -> str:
    """The same for people."""
    shown, who = figures(ended), ended.organization or "its account"
    happened = (
        f"{shown['id']} {shown['state']}: of {shown['held_credits']} credits held, "
        f"{shown['charged_credits']} charged and {shown['returned_credits']} returned."
    )
    if ended.outcome.absorbed_micros:
        happened += f" The operator bears {shown['absorbed_credits']} that {who} lacks."
    return (
        f"{happened}\n{who} has {shown['available_credits']} credits available; "
        f"calls still in doubt: {shown['still_in_doubt']}."
    )


def explain(refusal: doubts.DoubtStands, request_id: str) -> str:
    """Why nothing was changed."""
    match refusal:
        case doubts.NoSuchCall():
            return f"No call has the request id {request_id}."
        case doubts.ReasonRefused():
            return (
                f"Give a reason of 1 to {doubts.REASON_MAX} printable characters: it "
                "goes into the audit trail. Nothing was changed."
            )
        case doubts.PriceOutOfRange():
            return (
                f"That makes a price of {credits_text(refusal.price_micros)} credits "
                f"for {request_id}. For a call that holds "
                f"{credits_text(refusal.held_micros)} it must be from 0 to "
                f"{credits_text(refusal.price_max_micros)}; anything else is a slip. "
                "Nothing was changed."
            )
        case doubts.NotInDoubt():
            end = how_it_ended(refusal.call, is_by_operator=refusal.is_by_operator)
            return f"{request_id} is not in doubt{end} Nothing was changed."
    raise refusal


def how_it_ended(call: CallReport, *, is_by_operator: bool) -> str:
    """The end of the sentence "It is not in doubt"."""
    when = moment(call.ended_at)
    by = ", by the operator" if is_by_operator else ""
    if call.state == HoldState.OPEN:
        return ": it still runs."
    if call.state == HoldState.SETTLED:
        charged = credits_text(call.charged_micros or 0)
        return (
            f" any more: it was settled at {when}{by}, {charged} credits charged "
            f"(basis {call.basis})."
        )
    if call.basis == Basis.IN_DOUBT:
        return (
            f" any more: it was released at {when}{by or ', by the rule for doubts'}, "
            "and nothing was charged. The ledger has no order that charges a call "
            "later, so the upstream's cost, if any, stays with the operator."
        )
    return (
        f": it was released at {when} ({call.reason or 'no reason kept'}), nothing "
        "was charged."
    )


def moment(at: datetime | None) -> str:
    return at.isoformat(timespec="seconds") if at else ""
