"""`manage.py correct`: credits that come and go by the operator's word.

Exit 0 done, or done before by the same reference; 1 refused, with nothing changed.
"""

from __future__ import annotations

import json
import re
from argparse import ArgumentParser
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError
from django.utils.dateparse import parse_datetime

from billing.reports.credits import GrantReport
from billing.values.amounts import credits_text, micros_of
from billing.values.errors import LedgerUnavailable, ReferenceConflict, Refusal
from portal.management.listing import listing
from portal.operator import corrections
from portal.operator.corrections import Decision, Told
from portal.tenants import audit
from portal.tenants.errors import PortalError

ACTOR = audit.Actor(None, "manage.py correct")
CALL, GRANT = re.compile(r"req_([0-9a-f]{32})"), re.compile(r"grant_([0-9]{1,18})")

# What is done to an organization's credits, and how it is said.
OF_ORGANIZATIONS = {
    "credit": "give credits, as a new grant",
    "debit": "take credits, as far as they are available",
    "clawback": "take credits back; what is not available becomes debt",
    "write-off": "end debt that nobody will pay",
}


class Command(BaseCommand):
    help = (
        "Change an organization's credits outside any call, with a reason that is kept "
        "in the audit trail. --reference makes it happen once: given again it changes "
        "nothing. Nothing that was posted is edited."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        # The options of each word are its own; these are what all of them have.
        words = parser.add_subparsers(dest="word", required=True, metavar="WORD")
        for word, help_ in OF_ORGANIZATIONS.items():
            own = words.add_parser(word, help=help_, description=help_)
            own.add_argument("--organization", required=True, metavar="SLUG")
            own.add_argument("--credits", required=True, metavar="N")
            if word == "credit":
                own.add_argument("--expires-at", metavar="TIME", help="ISO 8601, UTC")
            _add_reason(own, has_reference=True)
        own = words.add_parser("reverse", help="take a grant back: what is left of it")
        own.add_argument("--grant", required=True, metavar="grant_…")
        own.add_argument(
            "--recover-spent",
            action="store_true",
            help="what was spent of it, too: out of other credits, or as debt",
        )
        _add_reason(own, has_reference=True)
        own = words.add_parser("refund", help="give back what a call cost, once")
        own.add_argument("--call", required=True, metavar="req_…")
        own.add_argument("--credits", required=True, metavar="N")
        _add_reason(own, has_reference=False)
        own = words.add_parser("list", help="list an organization's grants")
        own.add_argument("--organization", required=True, metavar="SLUG")
        own.add_argument("--json", action="store_true", help="machine-readable")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.stdout.write(_answer(options))
        except (PortalError, ValueError) as refusal:
            raise CommandError(str(refusal)) from refusal
        except ReferenceConflict as conflict:
            what = options.get("reference") or f"a refund of {options['call']}"
            raise CommandError(
                f"{what!r} stands for something else already: of another amount, or "
                "another organization's. Nothing was changed."
            ) from conflict
        except Refusal as refusal:
            raise CommandError(
                f"The ledger refused: {refusal}. Nothing was changed."
            ) from refusal
        except (LedgerUnavailable, OperationalError) as error:
            raise CommandError(
                f"The database did not answer, and nothing was changed: {error}"
            ) from error


def _add_reason(parser: ArgumentParser, *, has_reference: bool) -> None:
    if has_reference:
        parser.add_argument(
            "--reference", required=True, metavar="R", help="it happens once for each"
        )
    parser.add_argument("--reason", required=True, help="kept in the audit trail")
    parser.add_argument("--json", action="store_true", help="machine-readable")


def _answer(options: dict[str, Any]) -> str:
    word: str = options["word"]
    if word == "list":
        rows = [_row(each) for each in corrections.grants_of(options["organization"])]
        return listing(rows, is_json=options["json"], none="It has no grants.")
    done = WORDS[word](options)
    return json.dumps(done) if options["json"] else describe(done)


# --- one function a word --------------------------------------------------------------


def _decision(options: dict[str, Any]) -> Decision:
    return Decision(options["reference"], options["reason"], ACTOR)


def _credit(options: dict[str, Any]) -> Told:
    slug, micros = options["organization"], micros_named(options["credits"])
    ends = _time(options["expires_at"])
    return corrections.credit(slug, micros, _decision(options), expires_at=ends)


def _debit(options: dict[str, Any]) -> Told:
    slug, micros = options["organization"], micros_named(options["credits"])
    return corrections.debit(slug, micros, _decision(options))


def _clawback(options: dict[str, Any]) -> Told:
    slug, micros = options["organization"], micros_named(options["credits"])
    return corrections.clawback(slug, micros, _decision(options))


def _write_off(options: dict[str, Any]) -> Told:
    slug, micros = options["organization"], micros_named(options["credits"])
    return corrections.write_off(slug, micros, _decision(options))


def _reverse(options: dict[str, Any]) -> Told:
    found = GRANT.fullmatch(options["grant"])
    if found is None:
        raise CommandError(
            f"{options['grant']!r} is no grant: grant_ and a number, as in "
            "`manage.py correct list`."
        )
    recovers = options["recover_spent"]
    return corrections.reverse(
        int(found[1]), _decision(options), recovers_spent=recovers
    )


def _refund(options: dict[str, Any]) -> Told:
    found = CALL.fullmatch(options["call"])
    if found is None:
        raise CommandError(
            f"{options['call']!r} is no request id: req_ and 32 digits from 0 to f."
        )
    return corrections.refund(
        UUID(found[1]),
        micros_named(options["credits"]),
        reason=options["reason"],
        actor=ACTOR,
    )


WORDS: dict[str, Callable[[dict[str, Any]], Told]] = {
    "credit": _credit,
    "debit": _debit,
    "clawback": _clawback,
    "write-off": _write_off,
    "reverse": _reverse,
    "refund": _refund,
}


# --- values and sentences -------------------------------------------------------------


def micros_named(credits: str) -> int:
    """Raises: CommandError."""
    try:
        micros = micros_of(credits)
    except ValueError as error:
        raise CommandError(
            f"--credits {credits!r}: write plain credits with at most six decimals, "
            "e.g. 12 or 0.5."
        ) from error
    if not micros:
        raise CommandError("--credits 0 changes nothing: name more than that.")
    return micros


def _time(text: str | None) -> datetime | None:
    """Raises: CommandError."""
    if text is None:
        return None
    try:
        found = parse_datetime(text)
    except ValueError:
        found = None
    if found is None:
        raise CommandError(f"--expires-at {text!r}: write e.g. 2027-01-31T00:00:00Z.")
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _row(grant: GrantReport) -> dict[str, str]:
    ends = grant.expires_at
    return {
        "id": f"grant_{grant.id}",
        "source": grant.source,
        "credits": credits_text(grant.amount_micros),
        "left": credits_text(grant.remaining_micros),
        "held": credits_text(grant.held_micros),
        "granted": grant.created_at.isoformat(timespec="seconds"),
        "expires": ends.isoformat(timespec="seconds") if ends else "",
        "reason": grant.reason,
    }


def describe(done: Told) -> str:
    """What happened, and what there is now, for people."""
    who = done["organization"]
    if done["repeat"]:
        happened = f"{done['id']} was done before: nothing was changed now."
    elif "refunded_credits" in done:
        happened = f"{done['id']}: {done['refunded_credits']} credits refunded."
    else:
        happened = (
            f"{done['id']}: {done['moved_credits']} credits for {who}, "
            f"{done['owed_credits']} of debt."
        )
    left = f"{who} has {done['available_credits']} credits available"
    return f"{happened}\n{left} and owes {done['debt_credits']}."
