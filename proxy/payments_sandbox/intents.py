"""Payment intents: from the wish to take money to the money, or a reason."""

from __future__ import annotations

from proxy.payments_sandbox import charges, customers, forms
from proxy.payments_sandbox.cards import DECLINES
from proxy.payments_sandbox.errors import Refusal, card, invalid, unexpected_state
from proxy.payments_sandbox.events import emit
from proxy.payments_sandbox.state import Object, State

CREATE_FIELDS = {
    *("amount", "automatic_payment_methods", "capture_method", "confirm", "currency"),
    *("customer", "description", "error_on_requires_action", "off_session"),
    *("payment_method", "payment_method_types", "receipt_email", "return_url"),
    *("setup_future_usage", "statement_descriptor_suffix"),
}
CONFIRM_FIELDS = {
    *("error_on_requires_action", "off_session", "payment_method", "return_url"),
    *("receipt_email", "setup_future_usage"),
}
USAGES = {"off_session", "on_session"}
CONFIRMABLE = {"requires_payment_method", "requires_confirmation", "requires_action"}
CANCELABLE = {*CONFIRMABLE, "processing"}
CANCELLATIONS = {"abandoned", "duplicate", "fraudulent", "requested_by_customer"}
NEEDED = "This payment requires authentication by the cardholder."


def create(state: State, params: Object) -> Object:
    forms.allow(params, CREATE_FIELDS)
    amount, currency = forms.amount(params), forms.currency(params)
    forms.choice(params, "capture_method", {"automatic", "automatic_async"})
    usage = forms.choice(params, "setup_future_usage", USAGES)
    confirms = forms.flag(params, "confirm")
    if forms.flag(params, "off_session") and not confirms:
        raise invalid("off_session", "off_session is only for confirm=true.")
    customer = params.get("customer") and customers.find(state, params["customer"])
    method = _method(state, params, customer or None)
    if confirms and method is None:
        raise forms.lacking("payment_method")
    metadata = forms.metadata(params)
    intent = new(state, amount, currency, customer["id"] if customer else None)
    intent.update(
        metadata=metadata,
        description=forms.text(params, "description"),
        receipt_email=forms.text(params, "receipt_email"),
        setup_future_usage=usage,
    )
    emit(state, "payment_intent.created", intent)
    if method is not None:
        intent.update(payment_method=method["id"], status="requires_confirmation")
    if confirms:
        _confirm(state, intent, params)
    return intent


def new(state: State, amount: int, currency: str, customer_id: str | None) -> Object:
    """An intent that nothing has happened to."""
    intent = state.add(
        "payment_intent",
        "pi",
        {
            "amount": amount,
            "amount_capturable": 0,
            "amount_received": 0,
            "automatic_payment_methods": None,
            "canceled_at": None,
            "cancellation_reason": None,
            "capture_method": "automatic",
            "confirmation_method": "automatic",
            "currency": currency,
            "customer": customer_id,
            "description": None,
            "last_payment_error": None,
            "latest_charge": None,
            "metadata": {},
            "next_action": None,
            "payment_method": None,
            "payment_method_types": ["card"],
            "receipt_email": None,
            "setup_future_usage": None,
            "status": "requires_payment_method",
        },
    )
    intent["client_secret"] = f"{intent['id']}_secret_sandbox"
    return intent


def _method(state: State, params: Object, customer: Object | None) -> Object | None:
    """Raises: Refusal (400, 404): a saved method works with its customer only."""
    method_id = forms.text(params, "payment_method")
    if method_id is None:
        return None
    method = customers.method_of(state, method_id)
    if method["customer"] and method["customer"] != (customer or {}).get("id"):
        raise invalid(
            "payment_method",
            "The payment method belongs to a customer; supply that customer.",
            "payment_method_customer_mismatch",
        )
    return method


def confirm(state: State, params: Object, intent_id: str) -> Object:
    forms.allow(params, CONFIRM_FIELDS)
    intent = find(state, intent_id)
    _check_status(intent, CONFIRMABLE, "confirm")
    owner = intent["customer"] and customers.find(state, intent["customer"])
    method = _method(state, params, owner or None)
    if method is not None:
        intent["payment_method"] = method["id"]
    if intent["payment_method"] is None:
        raise unexpected_state(
            "The PaymentIntent has no payment method.",
            "payment_intent_unexpected_state",
            payment_intent=dict(intent),
        )
    if usage := forms.choice(params, "setup_future_usage", USAGES):
        intent["setup_future_usage"] = usage
    _confirm(state, intent, params)
    return intent


def _confirm(state: State, intent: Object, params: Object) -> None:
    is_off_session = forms.flag(params, "off_session")
    refuses = is_off_session or forms.flag(params, "error_on_requires_action")
    attempt(state, intent, refuses_action=refuses, is_off_session=is_off_session)


def attempt(
    state: State,
    intent: Object,
    *,
    refuses_action: bool = False,
    is_off_session: bool = False,
    is_authenticated: bool = False,
) -> None:
    """Take the money with the intent's method, or ask for 3-D Secure.

    Raises: Refusal (402); the intent then says why and wants another method.
    """
    method = state.find("payment_method", intent["payment_method"])
    used = customers.card_of(method)
    wants = used.authentication == "always" or (
        used.authentication == "once" and not (is_off_session and method["_is_set_up"])
    )
    if wants and not is_authenticated:
        if refuses_action:
            raise fail(state, intent, "authentication_required", NEEDED, None)
        url = f"{state.base_url}/pay/authenticate/{intent['id']}"
        intent.update(
            status="requires_action",
            next_action={
                "type": "redirect_to_url",
                "redirect_to_url": {"url": url, "return_url": None},
            },
        )
        emit(state, "payment_intent.requires_action", intent)
        return
    if used.decline:
        code, message = DECLINES[used.decline]
        raise fail(state, intent, code, message, used.decline)
    succeed(state, intent)


def succeed(state: State, intent: Object) -> None:
    """The money is taken, and the method is kept if that was wanted."""
    method = state.find("payment_method", intent["payment_method"])
    made = charges.charge(state, intent, method, None)
    intent.update(
        status="succeeded",
        amount_received=intent["amount"],
        next_action=None,
        last_payment_error=None,
    )
    if intent["setup_future_usage"] and intent["customer"]:
        owner = customers.find(state, intent["customer"])
        customers.attach_to(state, method, owner)
        method["_is_set_up"] = intent["setup_future_usage"] == "off_session"
    emit(state, "payment_intent.succeeded", intent)
    charges.dispute_if_so(state, customers.card_of(method), made)


def fail(
    state: State, intent: Object, code: str, message: str, decline: str | None
) -> Refusal:
    """Note the failure on the intent; the refusal that tells it."""
    method = state.find("payment_method", intent["payment_method"])
    made = charges.charge(state, intent, method, code)
    intent.update(
        status="requires_payment_method",
        next_action=None,
        payment_method=None,
        last_payment_error={
            "type": "card_error",
            "code": code,
            "charge": made["id"],
            "decline_code": decline,
            "message": message,
            "payment_method": dict(method),
        },
    )
    emit(state, "payment_intent.payment_failed", intent)
    return card(code, message, decline, charge=made["id"], payment_intent=dict(intent))


def process(state: State, intent: Object) -> None:
    """A way to pay that takes days: the money is not there yet."""
    intent["status"] = "processing"
    emit(state, "payment_intent.processing", intent)


def cancel(state: State, params: Object, intent_id: str) -> Object:
    forms.allow(params, {"cancellation_reason"})
    reason = forms.choice(params, "cancellation_reason", CANCELLATIONS)
    intent = find(state, intent_id)
    _check_status(intent, CANCELABLE, "cancel")
    intent.update(
        status="canceled",
        canceled_at=state.now(),
        cancellation_reason=reason,
        next_action=None,
    )
    emit(state, "payment_intent.canceled", intent)
    return intent


def _check_status(intent: Object, statuses: set[str], act: str) -> None:
    if intent["status"] not in statuses:
        raise unexpected_state(
            f"You cannot {act} this PaymentIntent because it has a status of "
            f"{intent['status']}.",
            "payment_intent_unexpected_state",
            payment_intent=dict(intent),
        )


def find(state: State, intent_id: str) -> Object:
    return state.find("payment_intent", intent_id, "intent")


def retrieve(state: State, params: Object, intent_id: str) -> Object:
    return find(state, intent_id)


def list_intents(state: State, params: Object) -> Object:
    customer = forms.text(params, "customer")
    return state.page(
        "payment_intent", "/v1/payment_intents", params, customer=customer
    )
