"""`manage.py doubts`: the calls nobody knows the end of, and the operator's word.

Exit 0 done, 1 refused, with nothing changed. A call that the rule has released (after
`IN_DOUBT_SECONDS`) is not in doubt any more and cannot be charged later: the ledger
has no order for that. `verify_ledger` goes on naming it.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing.values.amounts import micros_of
from billing.values.errors import LedgerUnavailable
from portal.operator import doubts
from portal.tenants import audit
from portal.tenants.errors import DoubtStands

ACTOR = audit.Actor(None, "manage.py doubts")


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
        try:
            ended = end(options)
        except DoubtStands as refusal:
            raise CommandError(str(refusal)) from refusal
        except LedgerUnavailable as error:
            raise CommandError(
                f"The database did not answer, and nothing was changed: {error}"
            ) from error
        self.stdout.write(json.dumps(asdict(ended)) if options["json"] else told(ended))

    def _list(self, *, is_json: bool) -> None:
        rows = [asdict(row) for row in doubts.listed()]
        if is_json:
            self.stdout.write(json.dumps(rows))
            return
        if not rows:
            self.stdout.write("No call is in doubt. All is well.")
            return
        table = [tuple(rows[0]), *(tuple(row.values()) for row in rows)]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        for line in table:
            pairs = zip(line, widths, strict=True)
            cells = "  ".join(cell.ljust(width) for cell, width in pairs)
            self.stdout.write(cells.rstrip())


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
    """Raises: CommandError, DoubtStands, LedgerUnavailable; nothing was changed."""
    reason = options["reason"]
    if options["release"] is not None:
        return doubts.release(options["release"], reason=reason, actor=ACTOR)
    try:
        micros = micros_of(options["credits"])
    except ValueError as error:
        raise CommandError(
            f"--credits {options['credits']!r}: write plain credits, 0 or more, with "
            "at most six decimals, e.g. 12 or 0.5."
        ) from error
    return doubts.settle(options["settle"], micros, reason=reason, actor=ACTOR)


def told(ended: doubts.Ended) -> str:
    """What happened and what is left, for people."""
    who = ended.organization or "its account"
    happened = (
        f"{ended.id} {ended.state}: of {ended.held_credits} credits held, "
        f"{ended.charged_credits} charged and {ended.returned_credits} returned."
    )
    if ended.absorbed_credits != "0":
        happened += f" The operator bears {ended.absorbed_credits} that {who} lacks."
    return (
        f"{happened}\n{who} has {ended.available_credits} credits available; "
        f"calls still in doubt: {ended.still_in_doubt}."
    )
