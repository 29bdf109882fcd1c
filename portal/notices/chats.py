"""What is posted to a chat, in the form that Slack or Teams reads."""

from __future__ import annotations

import json
from typing import Any

from portal.models import Delivery, EndpointKind, Organization
from portal.notices import words
from portal.notices.words import Words


def body_of(delivery: Delivery) -> bytes:
    endpoint = delivery.endpoint
    told = words.of_event(delivery.event, endpoint.organization)
    form = _teams if endpoint.kind == EndpointKind.TEAMS else _slack
    return json.dumps(form(told, endpoint.organization)).encode()


def _slack(told: Words, organization: Organization) -> dict[str, Any]:
    """`&`, `<` and `>` mean something there, so that nobody is called by a name."""
    text = f"{organization.name}: {told.subject}. {told.text}"
    for sign, written in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(sign, written)
    return {"text": f"{text}\n<{told.url}>"}


def _teams(told: Words, organization: Organization) -> dict[str, Any]:
    """An adaptive card, as the workflows take it that came after connectors."""
    blocks: list[dict[str, Any]] = [
        {"type": "TextBlock", "weight": "Bolder", "wrap": True, "text": told.subject},
        {"type": "TextBlock", "wrap": True, "text": told.text},
        {"type": "TextBlock", "isSubtle": True, "text": organization.name},
    ]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": blocks,
        "actions": [{"type": "Action.OpenUrl", "title": "Open", "url": told.url}],
    }
    kind = "application/vnd.microsoft.card.adaptive"
    return {
        "type": "message",
        "attachments": [{"contentType": kind, "content": card}],
    }
