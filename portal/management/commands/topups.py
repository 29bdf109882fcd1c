"""`manage.py topups`: what the operator does about credits that are bought, and about
what payment providers tell of them.

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

from billing.models import PaymentEvent, TopUp, TopUpRefund
from billing.models.topup_refund import RefundState
from billing.payments.errors import ProviderDown, ProviderError, TopUpRefused
from billing.payments.prices import money_text
from billing.payments.settlement import DoesNotFit
from billing.values.amounts import credits_text
from billing.values.errors import LedgerUnavailable
from portal.management.listing import listing
from portal.operator import payments, topups
from portal.tenants import audit
from portal.tenants.errors import PortalError

ACTOR = audit.Actor(None, "manage.py topups")
WORDS = {
    "list": "bank transfers that wait for you",
    "quarantined": "events of providers that did not fit their top-up",
    "drift": "orders that stand otherwise at their provider",
    "refunds": "the last refunds that were asked for here",
}
DECISIONS = {
    "release": "an event that was quarantined fits by now: carry it out",
    "dismiss": "nothing follows from an event that was quarantined",
}
# Those that find something wrong where they find anything.
ALARMS = {"quarantined", "drift"}


class Command(BaseCommand):
    help = (
        "List the top-ups that wait for a bank transfer, approve or refuse them, pay "
        "one back, and decide about what does not agree with a payment provider."
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

        own = words.add_parser("refund", help="have the provider pay one back")
        own.add_argument("topup", metavar="topup_…")
        own.add_argument("--amount", default="", help="e.g. 5.00; without: all of it")
        own.add_argument("--reference", required=True, help="once for each of them")
        own.add_argument("--reason", required=True, help="for the audit trail")
        own.add_argument("--json", action="store_true", help="machine-readable")
        for word, help_ in DECISIONS.items():
            own = words.add_parser(word, help=help_)
            own.add_argument("event", metavar="EVENT", help="as `quarantined` lists it")
            own.add_argument("--reason", required=True, help="for the audit trail")
            own.add_argument("--json", action="store_true", help="machine-readable")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._answer(options)
        except (PortalError, TopUpRefused, DoesNotFit, ValueError) as refusal:
            raise CommandError(f"{refusal} Nothing was changed.") from refusal
        except ProviderDown as error:
            raise CommandError(
                f"The provider did not answer: {error}. The worker asks again."
            ) from error
        except ProviderError as error:
            raise CommandError(f"{error} Nothing was changed.") from error
        except (LedgerUnavailable, OperationalError) as error:
            outcome = "nothing was changed"
            if options["word"] == "refund":
                outcome = (
                    "it may have been asked for: see `topups refunds` before you ask "
                    "again. The worker asks again by itself"
                )
            raise CommandError(
                f"The database did not answer, and {outcome}: {error}"
            ) from error

    def _answer(self, options: dict[str, Any]) -> None:
        word, is_json = options["word"], options["json"]
        if word in WORDS:
            rows = LISTS[word]()
            self.stdout.write(listing(rows, is_json=is_json, none="There are none."))
            if rows and word in ALARMS:
                sys.exit(1)
            return
        if word == "sweep":
            swept = topups.sweep(actor=ACTOR)
            self.stdout.write(json.dumps(swept) if is_json else _sentence(swept))
            return
        if word == "refund":
            self._refund(options)
            return
        if word in DECISIONS:
            decide = payments.release if word == "release" else payments.dismiss
            event = decide(options["event"], reason=options["reason"], actor=ACTOR)
            told = json.dumps(_event(event))
            self.stdout.write(
                told if is_json else f"{event.event_id} is {event.state}."
            )
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

    def _refund(self, options: dict[str, Any]) -> None:
        done = payments.refund(
            options["topup"],
            options["amount"],
            reference=options["reference"],
            reason=options["reason"],
            actor=ACTOR,
        )
        if done.state == RefundState.REFUSED:
            raise CommandError(
                f"The provider pays nothing back: {done.why}. Ask again under another "
                "reference."
            )
        row = _refund_row(done)
        self.stdout.write(
            json.dumps(row)
            if options["json"]
            else f"{done.public_id} is {done.state}: {row['amount']}."
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
    return [_event(event) for event in topups.quarantined()]


def _event(event: PaymentEvent) -> dict[str, str]:
    return {
        "event": event.event_id,
        "state": event.state,
        "provider": event.provider,
        "type": event.type,
        "why": event.why,
        "payment": event.payment_ref,
        "names": str((event.report or {}).get("topup_id", "")),
        "received": event.received_at.isoformat(timespec="seconds"),
    }


def _refunds() -> list[dict[str, str]]:
    return [_refund_row(refund) for refund in payments.refunded()]


def _refund_row(refund: TopUpRefund) -> dict[str, str]:
    return {
        "id": refund.public_id,
        "topup": refund.topup.public_id,
        "amount": money_text(refund.amount_minor, refund.topup.currency),
        "state": refund.state,
        "why": refund.why,
        "reference": refund.reference,
        "provider_ref": refund.provider_ref,
        "asked_by": refund.asked_by,
        "created": refund.created_at.isoformat(timespec="seconds"),
    }


def _drift() -> list[dict[str, str]]:
    return [
        {"id": f"topup_{each.topup_id.hex}", "here": each.ours, "there": each.theirs}
        for each in topups.drift()
    ]


LISTS = {
    "list": _pending,
    "quarantined": _quarantined,
    "drift": _drift,
    "refunds": _refunds,
}
