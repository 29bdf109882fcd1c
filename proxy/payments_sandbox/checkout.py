"""Checkout sessions: what a customer is asked to pay on the hosted page."""

from __future__ import annotations

from urllib.parse import urlsplit

from proxy.payments_sandbox import customers, forms
from proxy.payments_sandbox.errors import invalid, unexpected_state
from proxy.payments_sandbox.events import emit
from proxy.payments_sandbox.state import Object, State

FIELDS = {
    *("billing_address_collection", "cancel_url", "client_reference_id", "currency"),
    *("customer", "customer_creation", "customer_email", "customer_update"),
    *("expires_at", "invoice_creation", "line_items", "locale", "mode"),
    *("payment_intent_data", "payment_method_types", "saved_payment_method_options"),
    *("setup_intent_data", "submit_type", "success_url", "tax_id_collection"),
    *("ui_mode", "consent_collection", "custom_text", "automatic_tax"),
}
# `hosted` was the name until 2026-03-25 and is refused since.
UI_MODES = {"hosted_page", "embedded_page", "elements"}
INTENT_FIELDS = {
    *("description", "metadata", "receipt_email", "setup_future_usage"),
    "statement_descriptor_suffix",
}
UPDATES = {"auto", "never"}
LIFE_SECONDS = 24 * 3600
LIFE_SECONDS_MIN = 30 * 60
QUANTITY_MAX = 999_999


def create(state: State, params: Object) -> Object:
    forms.allow(params, FIELDS)
    forms.required(params, "mode")
    mode = forms.choice(params, "mode", {"payment", "setup"})
    urls = _urls(params)
    lines = _lines(params) if mode == "payment" else []
    if mode == "setup" and "line_items" in params:
        raise invalid("line_items", "line_items are not for mode=setup.")
    total = sum(line["amount_total"] for line in lines)
    if mode == "payment" and not forms.AMOUNT_MIN <= total <= forms.AMOUNT_MAX:
        raise invalid("line_items", "The total is not payable.", "amount_too_small")
    session = state.add(
        "checkout.session",
        "cs_test",
        {
            "amount_subtotal": total if mode == "payment" else None,
            "amount_total": total if mode == "payment" else None,
            "currency": _currency(params, lines),
            **urls,
            **_buyer(state, params),
            "client_reference_id": _reference(params),
            "expires_at": _expiry(state, params),
            "locale": forms.text(params, "locale"),
            "metadata": forms.metadata(params),
            "mode": mode,
            "payment_intent": None,
            "payment_method_types": ["card"],
            "payment_status": "unpaid" if mode == "payment" else "no_payment_required",
            "setup_intent": None,
            "status": "open",
            "submit_type": forms.text(params, "submit_type"),
            "total_details": {"amount_discount": 0, "amount_tax": 0},
            "ui_mode": "hosted_page",
            "_line_items": {"object": "list", "has_more": False, "data": lines},
            "_intent_data": _intent_data(params, mode or "payment"),
        },
    )
    session["url"] = f"{state.base_url}/pay/{session['id']}"
    return session


def _urls(params: Object) -> Object:
    ui_mode = forms.choice(params, "ui_mode", UI_MODES, "hosted_page")
    if ui_mode != "hosted_page":
        raise invalid("ui_mode", "The sandbox has the hosted page only.")
    forms.required(params, "success_url")
    urls = {name: forms.text(params, name) for name in ("success_url", "cancel_url")}
    for name, url in urls.items():
        parts = urlsplit(url or "https://nowhere.example")
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise invalid(name, "Not a valid URL.", "url_invalid")
    return urls


def _lines(params: Object) -> list[Object]:
    forms.required(params, "line_items")
    given = forms.sequence(params, "line_items")
    lines = [_line(each) for each in given if isinstance(each, dict)]
    if not lines or len(lines) != len(given) or len(lines) > 100:
        raise invalid("line_items", "Invalid array.")
    return lines


def _line(given: Object) -> Object:
    forms.allow(given, {"price_data", "quantity", "price"})
    if price := forms.text(given, "price"):
        raise invalid("line_items[0][price]", f"No such price: '{price}'")
    price_data = forms.mapping(given, "price_data")
    forms.allow(price_data, {"currency", "unit_amount", "product_data", "tax_behavior"})
    forms.required(price_data, "unit_amount")
    product = forms.mapping(price_data, "product_data")
    forms.allow(product, {"name", "description", "tax_code", "images"})
    unit = forms.integer(price_data, "unit_amount") or 0
    quantity = forms.integer(given, "quantity") or 0
    if unit < 0 or not 1 <= quantity <= QUANTITY_MAX:
        raise invalid("line_items", "Invalid quantity or unit_amount.")
    currency = forms.currency(price_data)
    name = forms.required(product, "name")
    return {
        "object": "item",
        "amount_subtotal": unit * quantity,
        "amount_total": unit * quantity,
        "amount_tax": 0,
        "currency": currency,
        "description": name,
        "quantity": quantity,
        "price": {"object": "price", "currency": currency, "unit_amount": unit},
    }


def _currency(params: Object, lines: list[Object]) -> str | None:
    found = {line["currency"] for line in lines}
    if len(found) > 1:
        raise invalid("line_items", "All line items must have one currency.")
    if "currency" in params:
        found.add(forms.currency(params))
    return found.pop() if len(found) == 1 else None


def _buyer(state: State, params: Object) -> Object:
    email, customer = forms.text(params, "customer_email"), None
    if customer_id := forms.text(params, "customer"):
        customer = customers.find(state, customer_id)
        if email:
            raise invalid("customer_email", "Not both of customer and this.")
    collects = forms.flag(forms.mapping(params, "tax_id_collection"), "enabled")
    updates = forms.mapping(params, "customer_update")
    forms.allow(updates, {"address", "name", "shipping"})
    chosen = {name: forms.choice(updates, name, UPDATES, "never") for name in updates}
    if updates and customer is None:
        raise invalid("customer_update", "customer_update needs a customer.")
    if collects and customer is not None and chosen.get("name") != "auto":
        message = "Tax ID collection with a customer needs customer_update[name]=auto."
        raise invalid("customer_update", message)
    if forms.flag(forms.mapping(params, "automatic_tax"), "enabled"):
        raise invalid("automatic_tax", "The sandbox computes no taxes.")
    addresses = {"auto", "required"}
    return {
        "billing_address_collection": forms.choice(
            params, "billing_address_collection", addresses
        ),
        "customer": customer["id"] if customer else None,
        "customer_creation": forms.choice(
            params, "customer_creation", {"always", "if_required"}
        ),
        "customer_details": None,
        "customer_email": email,
        "tax_id_collection": {"enabled": collects, "required": "never"},
        "_updates": chosen,
    }


def _reference(params: Object) -> str | None:
    reference = forms.text(params, "client_reference_id")
    if reference and len(reference) > 200:
        raise invalid("client_reference_id", "At most 200 characters.")
    return reference


def _expiry(state: State, params: Object) -> int:
    at = forms.integer(params, "expires_at")
    if at is None:
        return state.now() + LIFE_SECONDS
    # A second of slack, for the time that the request took.
    if not LIFE_SECONDS_MIN - 1 <= at - state.now() <= LIFE_SECONDS + 1:
        message = "expires_at must be between 30 minutes and 24 hours from now."
        raise invalid("expires_at", message)
    return at


def _intent_data(params: Object, mode: str) -> Object:
    given = forms.mapping(params, f"{mode}_intent_data")
    other = "setup" if mode == "payment" else "payment"
    if f"{other}_intent_data" in params:
        raise invalid(f"{other}_intent_data", f"It is not for mode={mode}.")
    forms.allow(given, INTENT_FIELDS)
    usages = {"off_session", "on_session"}
    forms.choice(given, "setup_future_usage", usages)
    return {**given, "metadata": forms.metadata(given)}


# --- asking and ending ----------------------------------------------------------------


def find(state: State, session_id: str) -> Object:
    """As it is now: a session that nobody paid in time has expired."""
    session = state.find("checkout.session", session_id)
    if session["status"] == "open" and state.now() >= session["expires_at"]:
        _expire(state, session)
    return session


def _expire(state: State, session: Object) -> None:
    session.update(status="expired", url=None)
    emit(state, "checkout.session.expired", session)


def retrieve(state: State, params: Object, session_id: str) -> Object:
    return find(state, session_id)


def list_sessions(state: State, params: Object) -> Object:
    for session in state.all_of("checkout.session", status="open"):
        find(state, session["id"])
    return state.page(
        "checkout.session",
        "/v1/checkout/sessions",
        params,
        customer=forms.text(params, "customer"),
        payment_intent=forms.text(params, "payment_intent"),
        status=forms.choice(params, "status", {"open", "complete", "expired"}),
    )


def list_lines(state: State, params: Object, session_id: str) -> Object:
    found: Object = find(state, session_id)["_line_items"]
    return {**found, "url": f"/v1/checkout/sessions/{session_id}/line_items"}


def expire(state: State, params: Object, session_id: str) -> Object:
    session = find(state, session_id)
    if session["status"] != "open":
        raise unexpected_state(
            "Only Checkout Sessions with a status of open can be expired; this one "
            f"is {session['status']}.",
            "checkout_session_not_open",
        )
    _expire(state, session)
    return session
