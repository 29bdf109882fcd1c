"""`manage.py doubts`: what nobody knows the end of, what was said too late, and the
operator's word on both.

Exit 0 done, 1 refused, with nothing changed.
"""

from __future__ import annotations

import json
import re
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError

from billing.models import Correction
from billing.models.hold import HoldState
from billing.reports.calls import CallReport
from billing.values.amounts import credits_text, micros_of
from billing.values.errors import LedgerUnavailable, Refusal
from portal.management.listing import listing
from portal.operator import doubts, late_words
from portal.tenants import audit

ACTOR = audit.Actor(None, "manage.py doubts")
ID = re.compile(r"(req|late)_([0-9a-f]{32})")
ENDINGS = ("settle", "release", "charge", "dismiss", "acknowledge")
NEED_CREDITS = "settle"
MAY_HAVE_CREDITS = ("settle", "charge")


class Command(BaseCommand):
    help = (
        "List the calls in doubt, those whose doubt ended unacknowledged, and the "
        "prices that were said after a call's end; or decide on one: --settle charges "
        "what the upstream charged, --release returns the credits, --charge charges a "
        "call that has ended, --dismiss leaves it, --acknowledge ends the warning."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="machine-readable")
        parser.add_argument("--settle", metavar="req_…", help="charge this call")
        parser.add_argument("--release", metavar="req_…", help="charge it nothing")
        parser.add_argument(
            "--charge",
            metavar="late_…",
            help="charge the price that was said late; or, with req_… and --credits, "
            "what the upstream charged for a call that has ended",
        )
        parser.add_argument("--dismiss", metavar="late_…", help="leave the charge")
        parser.add_argument(
            "--acknowledge", metavar="req_…", help="the doubt is no warning any more"
        )
        parser.add_argument(
            "--credits",
            metavar="N",
            help="with --settle or --charge req_…: what the upstream charged, e.g. 12 "
            "or 0.5; the organization's price factor is applied to it",
        )
        parser.add_argument("--reason", help="how you know; kept in the audit trail")

    def handle(self, *args: Any, **options: Any) -> None:
        refuse_nonsense(options)
        if not any(options[ending] is not None for ending in ENDINGS):
            rows = [row(*found) for found in doubts.in_doubt()]
            rows += [late_row(*found) for found in late_words.waiting()]
            none = "No call is in doubt. All is well."
            self.stdout.write(listing(rows, is_json=options["json"], none=none))
            return
        ended = decide(options)
        self.stdout.write(json.dumps(ended) if options["json"] else describe(ended))


def refuse_nonsense(options: dict[str, Any]) -> None:
    """Raises: CommandError for options that do not belong together."""
    given = {name for name, value in options.items() if value is not None}
    endings = [ending for ending in ENDINGS if ending in given]
    if len(endings) > 1:
        raise CommandError(f"Either --{endings[0]} or --{endings[1]}, not both.")
    if NEED_CREDITS in given and "credits" not in given:
        raise CommandError("--settle needs --credits N: what the upstream charged.")
    if "credits" in given and not given.intersection(MAY_HAVE_CREDITS):
        raise CommandError("--credits belongs to --settle req_… or --charge req_….")
    if endings and not (options["reason"] or "").strip():
        raise CommandError('Say why with --reason "…": it goes into the audit trail.')
    if "reason" in given and not endings:
        raise CommandError("--reason belongs to --settle, --release and the like.")


def decide(options: dict[str, Any]) -> dict[str, str | int]:
    """Raises: CommandError; nothing was changed."""
    [ending] = [name for name in ENDINGS if options[name] is not None]
    try:
        return DECISIONS[ending](options[ending], options)
    except doubts.DoubtStands as refusal:
        raise CommandError(str(refusal)) from refusal
    except Refusal as refusal:
        raise CommandError(
            f"The ledger refused: {refusal}. Nothing was changed."
        ) from refusal
    except (LedgerUnavailable, OperationalError) as error:
        raise CommandError(
            f"The database did not answer, and nothing was changed: {error}"
        ) from error


def settle(name: str, options: dict[str, Any]) -> dict[str, str | int]:
    hold_id, micros = id_of(name, "req"), micros_named(options["credits"])
    return doubts.settle(hold_id, micros, reason=options["reason"], actor=ACTOR)


def release(name: str, options: dict[str, Any]) -> dict[str, str | int]:
    hold_id = id_of(name, "req")
    return doubts.release(hold_id, reason=options["reason"], actor=ACTOR)


def charge(name: str, options: dict[str, Any]) -> dict[str, str | int]:
    if options["credits"] is None:
        word_id = id_of(name, "late")
        return late_words.charge(word_id, reason=options["reason"], actor=ACTOR)
    hold_id, micros = id_of(name, "req"), micros_named(options["credits"])
    return late_words.charge_call(
        hold_id, micros, reason=options["reason"], actor=ACTOR
    )


def dismiss(name: str, options: dict[str, Any]) -> dict[str, str | int]:
    word_id = id_of(name, "late")
    call = late_words.dismiss(word_id, reason=options["reason"], actor=ACTOR)
    return {"id": call, "dismissed": name}


def acknowledge(name: str, options: dict[str, Any]) -> dict[str, str | int]:
    hold_id = id_of(name, "req")
    call = late_words.acknowledge(hold_id, reason=options["reason"], actor=ACTOR)
    return {"id": call, "acknowledged": name}


DECISIONS: dict[str, Callable[[str, dict[str, Any]], dict[str, str | int]]] = {
    "settle": settle,
    "release": release,
    "charge": charge,
    "dismiss": dismiss,
    "acknowledge": acknowledge,
}


def id_of(name: str, kind: str) -> UUID:
    """Raises: CommandError."""
    match = ID.fullmatch(name)
    if match is None or match[1] != kind:
        what = "request id" if kind == "req" else "late word's id"
        raise CommandError(
            f"{name!r} is no {what}: {kind}_ and 32 digits from 0 to f, as in the list "
            "of this command."
        )
    return UUID(match[2])


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
    """One line of the list. `since` is when the call came to doubt, or its doubt was
    ended by the rule."""
    is_closed = call.state == HoldState.RELEASED
    return {
        "id": call.request_id,
        "state": "closed" if is_closed else "in_doubt",
        "organization": organization,
        "operation": call.operation,
        "model": call.model,
        "held_credits": credits_text(call.held_micros),
        "price_credits": "",
        "since": doubts.moment(call.ended_at),
        "reason": call.reason,
        "call": call.request_id,
    }


def late_row(word: Correction, call: CallReport, organization: str) -> dict[str, str]:
    """One line of the list. `since` is when the price was said."""
    said = word.said_micros
    return row(call, organization) | {
        "id": f"late_{word.id.hex}",
        "state": "late" if said is not None else "alive",
        "price_credits": "" if said is None else credits_text(said),
        "since": doubts.moment(word.noted_at),
        "reason": word.reason,
    }


def describe(ended: dict[str, str | int]) -> str:
    """What happened, and what is left, for people."""
    if "dismissed" in ended:
        return f"{ended['dismissed']} dismissed: {ended['id']} costs what it did."
    if "acknowledged" in ended:
        return f"{ended['id']} acknowledged: its doubt is no warning any more."
    who = ended["organization"] or "its account"
    if "state" not in ended:
        charged = str(ended["charged_credits"])
        way = "given back" if charged.startswith("-") else "more charged"
        happened = f"{ended['id']}: {charged.removeprefix('-')} credits {way}."
    else:
        happened = (
            f"{ended['id']} {ended['state']}: of {ended['held_credits']} credits held, "
            f"{ended['charged_credits']} charged and {ended['returned_credits']} "
            "returned."
        )
    borne = str(ended["absorbed_credits"])
    if borne.startswith("-"):
        happened += f" The operator bears {borne[1:]} less."
    elif borne != "0":
        happened += f" The operator bears {borne} that {who} lacks."
    left = f"{who} has {ended['available_credits']} credits available"
    if "still_in_doubt" in ended:
        left += f"; calls still in doubt: {ended['still_in_doubt']}"
    return f"{happened}\n{left}."
