"""`manage.py topups`: what the operator does about credits that are bought.

Exit 0 done, or nothing to list; 1 refused, with nothing changed; for `drift` and
`quarantined` 1 if there is any.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError

from billing.models import TopUp
from billing.payments.errors import ProviderError, TopUpRefused
from billing.payments.prices import money_text
from billing.payments.settlement import DoesNotFit
from billing.values.amounts import credits_text
from billing.values.errors import LedgerUnavailable
from portal.management.listing import listing
from portal.operator import topups
from portal.tenants import audit
from portal.tenants.errors import PortalError

ACTOR = audit.Actor(None, "manage.py topups")
WORDS = {
    "list": "bank transfers that wait for you",
    "quarantined": "events of providers that did not fit their top-up",
    "drift": "orders that stand otherwise at their provider",
}


class Command(BaseCommand):
    help = (
        "List the top-ups that wait for a bank transfer, approve or refuse them, and "
        "list what does not agree with a payment provider."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        words = parser.add_subparsers(dest="word", required=True, metavar="WORD")
        for word, help_ in WORDS.items():
            own = words.add_parser(word, help=help_, description=help_)
            own.add_argument("--json", action="store_true", help="machine-readable")
        own = words.add_parser("approve", help="the money came: grant the credits")
        own.add_argument("topup", metavar="topup_…")
        own.add_argument(
            "--reference", required=True, help="the bank's, of the payment"
        )
        own.add_argument("--json", action="store_true", help="machine-readable")
        own = words.add_parser("sweep", help="do now what the worker does by itself")
        own.add_argument("--json", action="store_true", help="machine-readable")
        own = words.add_parser("refuse", help="the money will not come")
        own.add_argument("topup", metavar="topup_…")
        own.add_argument("--reason", required=True, help="its organization reads it")
        own.add_argument("--json", action="store_true", help="machine-readable")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._answer(options)
        except (PortalError, TopUpRefused, DoesNotFit, ValueError) as refusal:
            raise CommandError(f"{refusal} Nothing was changed.") from refusal
        except ProviderError as error:
            raise CommandError(f"The provider did not answer: {error}") from error
        except (LedgerUnavailable, OperationalError) as error:
            raise CommandError(
                f"The database did not answer, and nothing was changed: {error}"
            ) from error

    def _answer(self, options: dict[str, Any]) -> None:
        word, is_json = options["word"], options["json"]
        if word in WORDS:
            rows = LISTS[word]()
            self.stdout.write(listing(rows, is_json=is_json, none="There are none."))
            if rows and word != "list":
                sys.exit(1)
            return
        if word == "sweep":
            swept = topups.sweep(actor=ACTOR)
            self.stdout.write(json.dumps(swept) if is_json else _sentence(swept))
            return
        if word == "approve":
            done = topups.approve(options["topup"], options["reference"], actor=ACTOR)
        else:
            done = topups.refuse(
                options["topup"], reason=options["reason"], actor=ACTOR
            )
        row = _row(done)
        self.stdout.write(
            json.dumps(row) if is_json else f"{done.public_id} is {done.status}."
        )


def _sentence(swept: dict[str, int]) -> str:
    return (
        f"{swept['events']} events read, {swept['looked']} orders asked about, "
        f"{swept['charged']} automatic top-ups charged."
    )


def _row(topup: TopUp, slug: str = "") -> dict[str, str]:
    return {
        "id": topup.public_id,
        "organization": slug,
        "status": topup.status,
        "credits": credits_text(topup.amount_micros),
        "price": money_text(topup.total_minor, topup.currency),
        "asked_by": topup.asked_by,
        "created": topup.created_at.isoformat(timespec="seconds"),
    }


def _pending() -> list[dict[str, str]]:
    return [_row(topup, slug) for topup, slug in topups.pending()]


def _quarantined() -> list[dict[str, str]]:
    return [
        {
            "event": event.event_id,
            "provider": event.provider,
            "type": event.type,
            "why": event.why,
            "payment": event.payment_ref,
            "names": str((event.report or {}).get("topup_id", "")),
            "received": event.received_at.isoformat(timespec="seconds"),
        }
        for event in topups.quarantined()
    ]


def _drift() -> list[dict[str, str]]:
    return [
        {"id": f"topup_{each.topup_id.hex}", "here": each.ours, "there": each.theirs}
        for each in topups.drift()
    ]


LISTS = {"list": _pending, "quarantined": _quarantined, "drift": _drift}
