"""`manage.py bounds`: what is paused and what was learned, and the operator's word.

Exit 0 done, 1 refused, with nothing changed.
"""

from __future__ import annotations

import json
import re
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing.models import LearnedBound, Pause
from billing.pricing.lessons import largest, times_text
from billing.values.amounts import credits_text
from portal.management.listing import listing
from portal.operator import bounds
from portal.tenants import audit

ACTOR = audit.Actor(None, "manage.py bounds")


class Command(BaseCommand):
    help = (
        "List what is paused because the operator bore too much for it, and which "
        "calls cost more than the tariff says. --release lets a model or an "
        "organization go on, --forget believes the tariff again."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="machine-readable")
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--release", metavar="pause_…", help="end this pause")
        which.add_argument("--forget", metavar="bound_…", help="unlearn this")
        parser.add_argument("--reason", help="what you found; kept in the audit trail")

    def handle(self, *args: Any, **options: Any) -> None:
        reason, is_json = options["reason"], options["json"]
        is_changing = options["release"] or options["forget"]
        if is_changing and not (reason or "").strip():
            raise CommandError('Say why with --reason "…": it goes into the audit.')
        if reason is not None and not is_changing:
            raise CommandError("--reason belongs to --release or --forget.")
        if not is_changing:
            self.stdout.write(as_json() if is_json else as_text())
            return
        try:
            row, sentence = change(options)
        except bounds.NothingToDo as refusal:
            raise CommandError(str(refusal)) from refusal
        self.stdout.write(json.dumps(row) if is_json else sentence)


def change(options: dict[str, Any]) -> tuple[dict[str, str], str]:
    """What was released or forgotten, and a sentence about it.

    Raises: NothingToDo, CommandError; nothing was changed.
    """
    reason = options["reason"]
    if options["release"]:
        pause_id = number_of(options["release"], "pause")
        pause, slug = bounds.release(pause_id, reason=reason, actor=ACTOR)
        row = pause_row(pause, slug)
        return row, f"{row['of']} goes on: {row['id']} is released."
    bound_id = number_of(options["forget"], "bound")
    known = learned_row(bounds.forget(bound_id, reason=reason, actor=ACTOR))
    return known, f"The tariff is believed again about {known['model']}."


def number_of(public_id: str, kind: str) -> int:
    """Raises: CommandError."""
    found = re.fullmatch(rf"{kind}_([1-9][0-9]{{0,17}})", public_id)
    if found is None:
        raise CommandError(
            f"{public_id!r} is no {kind}_ and a number, as this command lists them."
        )
    return int(found[1])


def rows() -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    paused = [pause_row(pause, slug) for pause, slug in bounds.paused()]
    return paused, [learned_row(row) for row in bounds.learned()]


def as_json() -> str:
    paused, learned = rows()
    return json.dumps({"paused": paused, "learned": learned})


def as_text() -> str:
    paused, learned = rows()
    return "\n\n".join(
        (
            listing(paused, is_json=False, none="Nothing is paused."),
            listing(
                learned, is_json=False, none="No call has cost more than was held."
            ),
        )
    )


def pause_row(pause: Pause, slug: str) -> dict[str, str]:
    """`of` is an organization's slug, or an operation and a model."""
    of = slug or f"account {pause.account_id}"
    if pause.account_id is None:
        of = f"{pause.operation} {pause.model}"
    return {
        "id": f"pause_{pause.id}",
        "of": of,
        "borne_credits": credits_text(pause.borne_micros),
        "since": pause.paused_at.isoformat(timespec="seconds"),
    }


def learned_row(learned: LearnedBound) -> dict[str, str]:
    """Calls with a bound up to `bound_credits` are held for at `times` that."""
    return {
        "id": f"bound_{learned.id}",
        "operation": learned.operation,
        "model": learned.model,
        "shape": " ".join(learned.shape.split()[1:]) or "plain",
        "bound_credits": credits_text(largest(learned.size)),
        "times": times_text(learned.factor_ppb),
        "overruns": str(learned.overruns),
        "borne_credits": credits_text(learned.borne_micros),
        "latest": learned.learned_at.isoformat(timespec="seconds"),
    }
