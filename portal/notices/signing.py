"""Standard Webhooks: what an event looks like on the wire, and its signatures.

The body fits OpenAI's events, too, so that its SDKs' `webhooks.unwrap` reads it. They
decode the secret without adding padding: it has 24 bytes, whose base64 needs none.
"""

from __future__ import annotations

import base64
import json
import secrets
from datetime import datetime

from standardwebhooks import Webhook

from billing.models import Event
from portal.models import WebhookEndpoint
from portal.signing_in import sealing

PREFIX, SECRET_BYTES = "whsec_", 24


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def hint_of(secret: str) -> str:
    """Enough to know it, useless to sign."""
    return f"{PREFIX}…{secret[-4:]}"


def body_of(event: Event) -> bytes:
    """The same bytes at each attempt."""
    document = {
        "id": event.public_id,
        "object": "event",
        "type": event.type,
        "created_at": int(event.created_at.timestamp()),
        "timestamp": event.created_at.isoformat(timespec="milliseconds"),
        "data": event.data,
    }
    return json.dumps(document, sort_keys=True).encode()


def headers_of(
    endpoint: WebhookEndpoint, event_id: str, body: bytes, now: datetime
) -> dict[str, str]:
    """Signed by the endpoint's secret, and for a day after a rotation by the former
    one, too. `now` is UTC. Raises: InvalidToken when SECRET_KEY is another."""
    sealed = [endpoint.sealed_secret]
    if endpoint.former_until is not None and endpoint.former_until > now:
        sealed.append(endpoint.sealed_former)
    text = body.decode()
    signed = (
        Webhook(sealing.unseal(each)).sign(event_id, now, text) for each in sealed
    )
    return {
        "content-type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signed),
    }
