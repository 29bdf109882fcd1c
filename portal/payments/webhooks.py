"""Where Stripe tells what happened. Nobody is signed in here: the signature over the
raw body says whose word it is, and without a secret nothing is believed."""

from __future__ import annotations

import logging

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import DatabaseError
from django.http import HttpRequest, JsonResponse
from django.http.request import UnreadablePostError
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from billing.models.topup import ProviderName
from billing.payments import intake
from billing.values import numbers
from billing.values.errors import LedgerUnavailable

logger = logging.getLogger(__name__)
strangers = logging.getLogger("portal.strangers.webhooks")

BYTES_MAX = 256 * 1024


@csrf_exempt
@require_POST
@never_cache
def stripe_webhook(request: HttpRequest) -> JsonResponse:
    """200: taken, believed or not, and not to be sent again. 503: to be sent again."""
    # The SDK is large, and most processes never get here.
    from billing.payments import stripe_events

    secret: str = settings.STRIPE_WEBHOOK_SECRET
    if not stripe_events.is_usable(secret):
        return _answer(503, "no webhook secret is set, or one that is too short")
    try:
        length = numbers.capped(request.META.get("CONTENT_LENGTH"), most=BYTES_MAX + 1)
        if (length or 0) > BYTES_MAX:
            return _answer(413, "too large")
        body = request.body
    except RequestDataTooBig:
        return _answer(413, "too large")
    except UnreadablePostError:
        return _answer(400, "cut off")
    if len(body) > BYTES_MAX:
        return _answer(413, "too large")
    signature = request.headers.get("Stripe-Signature", "")
    try:
        told = stripe_events.read(body, signature, secret)
    except stripe_events.NotFromStripe as error:
        strangers.warning("a webhook that is not Stripe's: %s", error)
        return _answer(400, "not signed by Stripe, too old, or no event")
    try:
        state = intake.receive(told, provider=ProviderName.STRIPE)
    except (LedgerUnavailable, DatabaseError) as error:
        logger.error("event %s has to come again: %s", told.event_id, error)
        return _answer(503, "try again")
    if state == "quarantined":
        logger.error("event %s is quarantined: manage.py topups", told.event_id)
    return JsonResponse({"received": True})


def _answer(status: int, message: str) -> JsonResponse:
    error = {"type": "webhook_error", "message": message}
    return JsonResponse({"error": error}, status=status)
