"""Stripe as a payment provider, by its own SDK.

Its idempotency keys are made of our row's id and the attempt, and the parameters of the
row alone: what is sent again is the same, whoever sends it and whenever.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import stripe

from billing.models import Buyer, TopUp, TopUpRefund
from billing.payments import errors
from billing.payments.prices import money_text
from billing.payments.provider import Begun, Told
from billing.payments.report import Report, Said
from billing.payments.stripe_events import (
    READERS,
    REFUND_FAILED,
    of_intent,
    of_session,
    told,
)
from billing.values.amounts import credits_text

T = TypeVar("T")
logger = logging.getLogger(__name__)

SECONDS_MAX = 10  # for each request; it is tried twice
# Stripe takes up to 24 hours; one that is opened again late has to have some left.
SESSION_OPEN = timedelta(hours=23)
EVENTS_MAX = 10_000
REFUNDS_MAX = 100  # of one payment, looked through for ours


class Stripe:
    """`api_base`: empty, or where a stand-in listens. `public_url`: where the buyer
    comes back to."""

    def __init__(
        self, secret_key: str, api_base: str, public_url: str, *, retries: int = 1
    ) -> None:
        self._client = stripe.StripeClient(
            secret_key,
            base_addresses={"api": api_base} if api_base else None,
            max_network_retries=retries,
            http_client=stripe.RequestsClient(timeout=SECONDS_MAX),
        )
        self._public_url = public_url

    def customer(self, account_id: int) -> str:
        """Made once: the key holds for a day, our row for ever."""
        params: Any = {"metadata": {"account": str(account_id)}}
        options: Any = {"idempotency_key": f"customer:{account_id}"}
        customers = self._client.v1.customers
        return _asked(lambda: customers.create(params, options)).id

    def begin(self, topup: TopUp, buyer: Buyer) -> Begun:
        """A Checkout Session on a page of Stripe's."""
        sessions = self._client.v1.checkout.sessions
        params: Any = self._session_params(topup, buyer)
        made = _asked(lambda: sessions.create(params, _key(topup)))
        return Begun(made.id, made.url or "")

    def charge(self, topup: TopUp, buyer: Buyer) -> Report:
        """A Payment Intent without the buyer. Whatever is wrong with the card, and
        also a question to its owner, is a report that it failed."""
        params: Any = {
            "amount": topup.price_minor,
            "currency": topup.currency,
            "customer": buyer.customer_ref,
            "payment_method": buyer.method_ref,
            "off_session": True,
            "confirm": True,
            "description": _describe(topup),
            "metadata": _metadata(topup),
        }
        intents = self._client.v1.payment_intents
        try:
            made = _asked(lambda: intents.create(params, _key(topup)))
        except Declined as declined:
            return _failed(topup, declined)
        found = made.to_dict()
        report = of_intent(found, datetime.now(UTC))
        if report is None:
            raise errors.ProviderDown("a payment without our metadata")
        if found.get("status") == "requires_action":
            self._cancel(made.id, topup)
        return report

    def look(self, topup: TopUp) -> list[Report]:
        """The order, and what was paid back of it."""
        now = datetime.now(UTC)
        found: list[Report | None] = []
        if topup.is_automatic:
            intents = self._client.v1.payment_intents
            intent = _asked(lambda: intents.retrieve(topup.provider_ref))
            found.append(of_intent(intent.to_dict(), now))
        else:
            sessions = self._client.v1.checkout.sessions
            session = _asked(lambda: sessions.retrieve(topup.provider_ref))
            found.append(of_session(session.to_dict(), now))
        return [report for report in found if report is not None]

    def method_of(self, payment_ref: str) -> str:
        """The card of a Payment Intent."""
        intents = self._client.v1.payment_intents
        found = _asked(lambda: intents.retrieve(payment_ref)).to_dict()
        method = found.get("payment_method") or ""
        return str(method.get("id") if isinstance(method, dict) else method)

    def refund(self, refund: TopUpRefund) -> str:
        """By its Payment Intent."""
        params: Any = {
            "payment_intent": refund.topup.payment_ref,
            "amount": refund.amount_minor,
            "reason": "requested_by_customer",
            "metadata": {"refund": refund.public_id},
        }
        options: Any = {"idempotency_key": refund.public_id}
        refunds = self._client.v1.refunds
        made = _asked(lambda: refunds.create(params, options))
        return _made(made.to_dict())

    def find_refund(self, refund: TopUpRefund) -> str:
        """By our id in its metadata."""
        params: Any = {
            "payment_intent": refund.topup.payment_ref,
            "limit": REFUNDS_MAX,
        }
        listed = _asked(lambda: self._client.v1.refunds.list(params)).data
        for each in listed:
            found = each.to_dict()
            if _metadata_of(found).get("refund") == refund.public_id:
                return _made(found)
        return ""

    def events(self, since: datetime) -> Iterator[Told]:
        """Those that are about top-ups; Stripe keeps them for 30 days."""
        params: Any = {
            "created": {"gte": int(since.timestamp())},
            "types": [*READERS, REFUND_FAILED],
            "limit": 100,
        }
        listed = _asked(lambda: self._client.v1.events.list(params))
        found: list[Told] = []
        # The latest come first, a page at a time.
        pages = listed.auto_paging_iter()
        while len(found) < EVENTS_MAX:
            event = _asked(lambda: next(pages, None))
            if event is None:
                break
            try:
                found.append(told(event.to_dict()))
            except (KeyError, TypeError, ValueError) as error:
                logger.error("event %s cannot be read: %r", event.id, error)
        if len(found) >= EVENTS_MAX:
            logger.error("more than %d events: the oldest are left out", EVENTS_MAX)
        return reversed(found)

    def _session_params(self, topup: TopUp, buyer: Buyer) -> dict[str, Any]:
        slugless = f"{self._public_url}/payments/back/{topup.public_id}"
        name = f"{credits_text(topup.amount_micros)} credits"
        price = {
            "currency": topup.currency,
            "unit_amount": topup.price_minor,
            "product_data": {"name": name},
        }
        params: dict[str, Any] = {
            "mode": "payment",
            "ui_mode": "hosted_page",
            "client_reference_id": topup.public_id,
            "customer": buyer.customer_ref,
            # A tax id is kept with it only if the name may be, too.
            "customer_update": {"name": "auto", "address": "auto"},
            "line_items": [{"price_data": price, "quantity": 1}],
            "metadata": _metadata(topup),
            "payment_intent_data": {
                "description": _describe(topup),
                "metadata": _metadata(topup),
            },
            "billing_address_collection": "required",
            "tax_id_collection": {"enabled": True},
            "success_url": slugless,
            "cancel_url": slugless,
            "expires_at": int((topup.created_at + SESSION_OPEN).timestamp()),
        }
        if topup.saves_method:
            params["payment_intent_data"]["setup_future_usage"] = "off_session"
        return params

    def _cancel(self, intent_id: str, topup: TopUp) -> None:
        """Nobody is there to answer the card's question: it must not be answered
        later. One that was paid meanwhile stays paid, and its event says so."""
        intents = self._client.v1.payment_intents
        options: Any = {"idempotency_key": f"{_key(topup)['idempotency_key']}:cancel"}
        try:
            _asked(lambda: intents.cancel(intent_id, {}, options))
        except errors.ProviderRefusal:
            return


class Declined(errors.ProviderRefusal):
    """By the card's bank. `code` is Stripe's word for it."""

    def __init__(self, error: stripe.CardError) -> None:
        super().__init__(str(error.code))
        self.code = str(error.code or "declined")
        intent = error.error.payment_intent if error.error else None
        self.intent_id = str(intent.id) if intent else ""


def _failed(topup: TopUp, declined: Declined) -> Report:
    return Report(
        Said.FAILED,
        topup.provider,
        topup.public_id,
        str(topup.account_id),
        topup.currency,
        datetime.now(UTC),
        provider_ref=declined.intent_id,
        reason=declined.code[:200],
    )


def _key(topup: TopUp) -> Any:
    return {"idempotency_key": f"{topup.public_id}:{topup.attempt}"}


def _metadata(topup: TopUp) -> dict[str, str]:
    return {
        "topup": topup.public_id,
        "account": str(topup.account_id),
        "automatic": "1" if topup.is_automatic else "0",
    }


def _metadata_of(found: dict[str, Any]) -> dict[str, Any]:
    return found.get("metadata") or {}


def _describe(topup: TopUp) -> str:
    price = money_text(topup.price_minor, topup.currency)
    return f"{credits_text(topup.amount_micros)} credits for {price}"


def _asked(request: Callable[[], T]) -> T:
    """Raises: ProviderError."""
    try:
        return request()
    except stripe.IdempotencyError as error:
        raise errors.KeySpent(str(error.code)) from error
    except stripe.CardError as error:
        raise Declined(error) from error
    except stripe.InvalidRequestError as error:
        if error.http_status == 409:  # the first one with this key still runs
            raise errors.ProviderDown("busy") from error
        raise errors.ProviderRefusal(f"{error.code} {error.param}") from error
    except stripe.StripeError as error:
        raise errors.ProviderDown(f"{type(error).__name__}") from error


def _made(refund: Mapping[str, Any]) -> str:
    """The id of a refund that is made, or under way. Raises: ProviderRefusal."""
    if refund["status"] in ("failed", "canceled"):
        raise errors.ProviderRefusal(f"the refund is {refund['status']}")
    return str(refund["id"])
