"""An event in words: a subject, a sentence or two, and the page to look at.

For mails and chats. Data that is missing leaves a sentence out, never an error: the
event is told in any case.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from billing.models import Event
from billing.values.amounts import credits_text
from billing.values.event_types import EVENT_TYPES
from portal.models import Organization

Data = Mapping[str, Any]
TEXT_MAX = 500


@dataclass(frozen=True, slots=True)
class Words:
    """`subject` has no full stop; `url` is the page of ours that says more."""

    subject: str
    text: str
    url: str


def of_event(event: Event, organization: Organization) -> Words:
    return say(event.type, event.data, organization.slug)


def say(type: str, data: Data, slug: str) -> Words:
    subject, page = SUBJECTS.get(type, (EVENT_TYPES[type].rstrip("."), ""))
    try:
        text = TEXTS[type](data)
    except (KeyError, TypeError, ValueError):
        text = EVENT_TYPES[type]
    if name := str(data.get("name") or ""):
        subject = f"{subject}: {name[:100]}"
    return Words(subject, text[:TEXT_MAX], f"{settings.PUBLIC_URL}/o/{slug}/{page}")


def _credits(data: Data, name: str) -> str:
    return f"{credits_text(data[name])} credits"


def _low(data: Data) -> str:
    available = f"{_credits(data, 'available_micros')} are available."
    if (days := data.get("runway_days")) is None:
        return available
    return f"{available} At the pace of the last days they last {days} more."


def _budget(data: Data) -> str:
    said = (
        f"{_credits(data, 'used_micros')} of {_credits(data, 'limit_micros')} are used "
        f"({data['percent']} %)."
    )
    return (
        f"{said} Its window is over on {data['ends_on']}."
        if data.get("ends_on")
        else said
    )


def _overrun(data: Data) -> str:
    return (
        f"At this pace it runs out on {data['runs_out_on']}, before its window is over "
        f"on {data['ends_on']}: {_budget({**data, 'ends_on': None})}"
    )


def _spike(data: Data) -> str:
    return (
        f"{_credits(data, 'today_micros')} were spent today; the mean of the "
        f"{data['days']} days before is {_credits(data, 'mean_micros')}."
    )


def _errors(data: Data) -> str:
    return (
        f"{data['failed']} of the last hour's {data['requests']} calls failed and cost "
        f"nothing."
    )


def _expiring(data: Data) -> str:
    return (
        f"{_credits(data, 'remaining_micros')} expire on {data['expires_on']}, in "
        f"{data['days']} days."
    )


def _key_expiring(data: Data) -> str:
    return f"It stops working on {data['expires_on']}, in {data['days']} days."


def _key_unused(data: Data) -> str:
    return f"Nobody used it for {data['days']} days. Revoke it if nobody needs it."


def _stuck(data: Data) -> str:
    return (
        f"{data['id']} ({data['model']}) runs since {data['since']}; its credits stay "
        f"held until it ends."
    )


def _disabled(data: Data) -> str:
    why = {"gone": "it answered 410", "failing": "nothing came through for days"}
    return (
        f"Nothing is sent there any more: {why.get(data['reason'], 'by hand')}. What "
        f"waits is kept, and sent when you enable it again."
    )


def _unscheduled(data: Data) -> str:
    who = data["made_by"] or "Somebody who has left"
    return f"{who} set it up, and may not see that any more. Who may sets it up anew."


def _asked(data: Data) -> str:
    return f"{data['asked_by']} asks for {_credits(data, 'amount_micros')} more."


SUBJECTS = {
    "balance.low": ("Credits run low", ""),
    "balance.depleted": ("No credits are left", ""),
    "balance.restored": ("There are enough credits again", ""),
    "budget.threshold_reached": ("A budget is being used up", "budgets/"),
    "budget.exceeded": ("A budget is used up", "budgets/"),
    "budget.overrun_projected": ("A budget will not last", "budgets/"),
    "budget.raise_requested": ("Somebody asks for more of a budget", "budgets/"),
    "spend.spike": ("Unusual spend", "usage/"),
    "errors.high": ("Unusually many calls fail", "activity/"),
    "grant.expiring": ("Credits expire soon", "credits/"),
    "key.expiring": ("An API key expires soon", "keys/"),
    "key.unused": ("An API key is not used", "keys/"),
    "job.stuck": ("A job is stuck", "jobs/"),
    "export_schedule.disabled": (
        "A scheduled export has stopped",
        "exports/schedules/",
    ),
    "endpoint.disabled": ("An endpoint was disabled", "webhooks/"),
    "endpoint.test": ("This is a test", "alerts/"),
}
TEXTS: dict[str, Callable[[Data], str]] = {
    "balance.low": _low,
    "balance.depleted": lambda data: "Calls are refused until there are credits again.",
    "balance.restored": _low,
    "budget.threshold_reached": _budget,
    "budget.exceeded": lambda data: f"{_budget(data)} It refuses calls.",
    "budget.overrun_projected": _overrun,
    "budget.raise_requested": _asked,
    "spend.spike": _spike,
    "errors.high": _errors,
    "grant.expiring": _expiring,
    "key.expiring": _key_expiring,
    "key.unused": _key_unused,
    "job.stuck": _stuck,
    "export_schedule.disabled": _unscheduled,
    "endpoint.disabled": _disabled,
    "endpoint.test": lambda data: "Whatever is told of this organization comes here.",
}
