"""What a customer does on the hosted page, and what it does to the session."""

from __future__ import annotations

from proxy.payments_sandbox import charges, checkout, customers, forms, intents, setups
from proxy.payments_sandbox.errors import invalid, unexpected_state
from proxy.payments_sandbox.events import emit
from proxy.payments_sandbox.state import Object, State

# What each button pays with.
METHODS = {
    "pay": "pm_card_visa",
    "decline": "pm_card_chargeDeclined",
    "authenticate": "pm_card_authenticationRequired",
    "later": "pm_card_visa",
}
ACTS = {*METHODS, "abandon"}
DETAILS = ("email", "name", "country", "line1", "postal_code", "city")


def act(
    state: State, session_id: str, deed: str, details: Object, method: str = ""
) -> Object:
    """Press a button; the session as it is then.

    `method` is another test card than the button's.

    Raises: Refusal: the card said no (the session stays open), or the session is not
    open any more.
    """
    if deed not in ACTS:
        raise invalid("act", f"Must be one of {', '.join(sorted(ACTS))}.")
    session = checkout.find(state, session_id)
    if deed == "abandon":
        return session
    if session["status"] != "open":
        raise unexpected_state(f"It is {session['status']}.", "checkout_not_open")
    intent = session["payment_intent"] or session["setup_intent"]
    if intent and state.objects[intent]["status"] == "processing":
        raise unexpected_state("It is being paid.", "checkout_not_open")
    _note_buyer(state, session, details)
    chosen = customers.method_of(state, method or METHODS[deed])
    if session["mode"] == "setup":
        _set_up(state, session, chosen)
    elif deed == "later":
        intent = _intent(state, session, chosen)
        intents.process(state, intent)
        _complete(state, session)
    else:
        _pay(state, session, _intent(state, session, chosen))
    return session


def _intent(state: State, session: Object, method: Object) -> Object:
    """The session's payment intent: made when somebody pays, as at Stripe."""
    if session["payment_intent"]:
        intent = state.objects[session["payment_intent"]]
    else:
        data = session["_intent_data"]
        total, currency = session["amount_total"], session["currency"]
        intent = intents.new(state, total, currency, session["customer"])
        intent.update(
            metadata=dict(data["metadata"]),
            description=data.get("description"),
            receipt_email=data.get("receipt_email"),
            setup_future_usage=data.get("setup_future_usage"),
            _session=session["id"],
            _reference=session["client_reference_id"],
        )
        session["payment_intent"] = intent["id"]
        emit(state, "payment_intent.created", intent)
    intent["payment_method"] = method["id"]
    return intent


def _pay(state: State, session: Object, intent: Object) -> None:
    method = state.objects[intent["payment_method"]]
    method["billing_details"] = {**method["billing_details"], **_billing(session)}
    intents.attempt(state, intent)
    if intent["status"] == "succeeded":
        session["payment_status"] = "paid"
        _complete(state, session)


def _billing(session: Object) -> Object:
    details = session["customer_details"] or {}
    return {name: details.get(name) for name in ("email", "name", "address")}


def _set_up(state: State, session: Object, method: Object) -> None:
    setup_id = session["setup_intent"]
    if setup_id is None:
        metadata = session["_intent_data"]["metadata"]
        setup_id = setups.new(state, session["customer"], dict(metadata))["id"]
        session["setup_intent"] = setup_id
    setup = state.objects[setup_id]
    setup["payment_method"] = method["id"]
    setups.attempt(state, setup)
    if setup["status"] == "succeeded":
        _complete(state, session)


def _complete(state: State, session: Object) -> None:
    session.update(status="complete", url=None)
    emit(state, "checkout.session.completed", session)


def authenticate(state: State, intent_id: str, *, succeeds: bool) -> Object | None:
    """The bank's 3-D Secure page; the session it belongs to, if it does.

    Raises: Refusal when it failed, or is not asked for.
    """
    intent = state.objects.get(intent_id, {"status": None})
    if intent["status"] != "requires_action":
        raise unexpected_state("Nothing to authenticate.", "authentication_unneeded")
    is_payment = intent["object"] == "payment_intent"
    name = "payment_intent" if is_payment else "setup_intent"
    sessions = state.all_of("checkout.session", **{name: intent_id})
    session = sessions[0] if sessions else None
    if session and checkout.find(state, session["id"])["status"] != "open":
        raise unexpected_state(f"It is {session['status']}.", "checkout_not_open")
    if not succeeds:
        message = "The cardholder could not be authenticated."
        code = f"{name}_authentication_failure"
        if is_payment:
            raise intents.fail(state, intent, code, message, None)
        intent.update(status="requires_payment_method", next_action=None)
        raise unexpected_state(message, code)
    if not is_payment:
        setups.attempt(state, intent, is_authenticated=True)
    else:
        intents.attempt(state, intent, is_authenticated=True)
    if session:
        if is_payment:
            session["payment_status"] = "paid"
        _complete(state, session)
    return session


def settle(state: State, session_id: str, *, is_paid: bool) -> Object:
    """The end of a payment that takes days. Raises: Refusal when there is none."""
    session = checkout.find(state, session_id)
    intent = state.objects.get(session["payment_intent"] or "", {"status": None})
    if intent["status"] != "processing":
        raise unexpected_state("No payment is under way.", "nothing_under_way")
    if is_paid:
        intents.succeed(state, intent)
        session["payment_status"] = "paid"
        emit(state, "checkout.session.async_payment_succeeded", session)
    else:
        intents.fail(state, intent, "payment_failed", "The bank said no.", None)
        emit(state, "checkout.session.async_payment_failed", session)
    return session


# --- who pays -------------------------------------------------------------------------


def _note_buyer(state: State, session: Object, details: Object) -> None:
    """What the page was told of the buyer: on the session and, if that was wanted,
    on the customer. Raises: Refusal (400)."""
    tax_ids = _tax_ids(session, details)
    owner = session["customer"] and customers.find(state, session["customer"])
    told = {name: forms.text(details, name) for name in DETAILS}
    before = owner or {}
    address = {name: told.get(name) for name in customers.ADDRESS}
    if not any(address.values()):
        address = before.get("address") or address
    email = session["customer_email"] or before.get("email") or told["email"]
    session["customer_details"] = {
        "address": address,
        "email": email,
        "name": told["name"] or before.get("name"),
        "phone": None,
        "tax_exempt": before.get("tax_exempt", "none"),
        "tax_ids": tax_ids,
    }
    if owner:
        for name in ("name", "address"):
            if session["_updates"].get(name) == "auto":
                owner[name] = session["customer_details"][name]
    elif _makes_customer(session):
        fields = {"email": email} if email else {}
        if told["name"]:
            fields["name"] = told["name"]
        owner = customers.create(state, fields)
        session["customer"] = owner["id"]
    if owner:
        known = state.all_of("tax_id", customer=owner["id"])
        for tax_id in tax_ids:
            if all(tax_id["value"] != each["value"] for each in known):
                customers.add_tax_id(state, owner, tax_id)


def _makes_customer(session: Object) -> bool:
    """Something is saved for later, or it was asked for."""
    is_saved = "setup_future_usage" in session["_intent_data"]
    wants = session["customer_creation"] == "always"
    return bool(wants or is_saved or session["mode"] == "setup")


def _tax_ids(session: Object, details: Object) -> list[Object]:
    value = forms.text(details, "tax_id")
    if not value or not session["tax_id_collection"]["enabled"]:
        return []
    kind = forms.text(details, "tax_id_type") or "eu_vat"
    return [customers.read_tax_id({"type": kind, "value": value})]


def dispute(state: State, intent_id: str) -> Object:
    """The customer's bank takes the money back."""
    intent = intents.find(state, intent_id)
    if not intent["latest_charge"]:
        raise unexpected_state("Nothing was charged.", "charge_not_disputable")
    return charges.open_dispute(state, state.objects[intent["latest_charge"]])
