"""Setup intents: a card is saved, and nothing is charged."""

from __future__ import annotations

from proxy.payments_sandbox import customers, forms
from proxy.payments_sandbox.cards import DECLINES
from proxy.payments_sandbox.errors import card, unexpected_state
from proxy.payments_sandbox.events import emit
from proxy.payments_sandbox.state import Object, State

FIELDS = {
    *("automatic_payment_methods", "confirm", "customer", "description"),
    *("payment_method", "payment_method_types", "return_url", "usage"),
}
CONFIRMABLE = {"requires_payment_method", "requires_confirmation", "requires_action"}


def create(state: State, params: Object) -> Object:
    forms.allow(params, FIELDS)
    usage = forms.choice(params, "usage", {"off_session", "on_session"}, "off_session")
    confirms = forms.flag(params, "confirm")
    customer = params.get("customer") and customers.find(state, params["customer"])
    method_id = forms.text(params, "payment_method")
    method = customers.method_of(state, method_id) if method_id else None
    if confirms and method is None:
        raise forms.lacking("payment_method")
    setup = new(state, customer["id"] if customer else None, forms.metadata(params))
    setup["usage"] = usage
    if method is not None:
        setup.update(payment_method=method["id"], status="requires_confirmation")
    if confirms:
        attempt(state, setup)
    return setup


def new(state: State, customer_id: str | None, metadata: Object) -> Object:
    setup = state.add(
        "setup_intent",
        "seti",
        {
            "cancellation_reason": None,
            "customer": customer_id,
            "description": None,
            "last_setup_error": None,
            "metadata": metadata,
            "next_action": None,
            "payment_method": None,
            "payment_method_types": ["card"],
            "status": "requires_payment_method",
            "usage": "off_session",
        },
    )
    setup["client_secret"] = f"{setup['id']}_secret_sandbox"
    emit(state, "setup_intent.created", setup)
    return setup


def attempt(state: State, setup: Object, *, is_authenticated: bool = False) -> None:
    """Raises: Refusal (402) for a card that declines to be saved."""
    method = state.find("payment_method", setup["payment_method"])
    used = customers.card_of(method)
    if used.decline and not used.is_saved_all_the_same:
        code, message = DECLINES[used.decline]
        setup.update(
            status="requires_payment_method",
            payment_method=None,
            last_setup_error={"type": "card_error", "code": code, "message": message},
        )
        emit(state, "setup_intent.setup_failed", setup)
        raise card(code, message, used.decline, setup_intent=dict(setup))
    if used.authentication != "never" and not is_authenticated:
        url = f"{state.base_url}/pay/authenticate/{setup['id']}"
        redirect = {"url": url, "return_url": None}
        setup.update(
            status="requires_action",
            next_action={"type": "redirect_to_url", "redirect_to_url": redirect},
        )
        emit(state, "setup_intent.requires_action", setup)
        return
    if setup["customer"]:
        owner = customers.find(state, setup["customer"])
        customers.attach_to(state, method, owner)
    method["_is_set_up"] = setup["usage"] == "off_session"
    setup.update(status="succeeded", next_action=None, last_setup_error=None)
    emit(state, "setup_intent.succeeded", setup)


def confirm(state: State, params: Object, setup_id: str) -> Object:
    forms.allow(params, {"payment_method", "return_url"})
    setup = state.find("setup_intent", setup_id)
    _check_status(setup, "confirm")
    if method_id := forms.text(params, "payment_method"):
        setup["payment_method"] = customers.method_of(state, method_id)["id"]
    if setup["payment_method"] is None:
        raise forms.lacking("payment_method")
    attempt(state, setup)
    return setup


def cancel(state: State, params: Object, setup_id: str) -> Object:
    setup = state.find("setup_intent", setup_id)
    _check_status(setup, "cancel")
    setup.update(status="canceled", next_action=None)
    emit(state, "setup_intent.canceled", setup)
    return setup


def _check_status(setup: Object, act: str) -> None:
    if setup["status"] not in CONFIRMABLE:
        raise unexpected_state(
            f"You cannot {act} this SetupIntent: it is {setup['status']}.",
            "setup_intent_unexpected_state",
            setup_intent=dict(setup),
        )


def retrieve(state: State, params: Object, setup_id: str) -> Object:
    return state.find("setup_intent", setup_id)


def list_setups(state: State, params: Object) -> Object:
    customer = forms.text(params, "customer")
    return state.page("setup_intent", "/v1/setup_intents", params, customer=customer)
