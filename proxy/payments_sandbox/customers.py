"""Customers, their tax ids and their saved payment methods."""

from __future__ import annotations

from proxy.payments_sandbox import forms
from proxy.payments_sandbox.cards import BY_NUMBER, CARDS, DECLINES, Card
from proxy.payments_sandbox.errors import card as card_refusal
from proxy.payments_sandbox.errors import invalid, missing, unexpected_state
from proxy.payments_sandbox.events import emit
from proxy.payments_sandbox.state import Object, State

CUSTOMER_FIELDS = {
    *("address", "description", "email", "invoice_settings", "name", "phone"),
    *("preferred_locales", "tax_exempt", "tax_id_data", "payment_method"),
}
TEXTS = ("description", "email", "name", "phone")
ADDRESS = ("city", "country", "line1", "line2", "postal_code", "state")
TAX_ID_TYPES = {
    *("eu_vat", "gb_vat", "us_ein", "ch_vat", "no_vat", "ca_bn", "au_abn", "in_gst"),
}


def create(state: State, params: Object) -> Object:
    forms.allow(params, CUSTOMER_FIELDS)
    tax_ids = [read_tax_id(each) for each in forms.sequence(params, "tax_id_data")]
    fields = _read(params, {})
    customer = state.add(
        "customer",
        "cus",
        {
            **dict.fromkeys((*TEXTS, "address")),
            "balance": 0,
            "currency": None,
            "delinquent": False,
            "invoice_settings": {"default_payment_method": None},
            "metadata": {},
            "preferred_locales": [],
            "shipping": None,
            "tax_exempt": "none",
            **fields,
        },
    )
    emit(state, "customer.created", customer)
    for tax_id in tax_ids:
        add_tax_id(state, customer, tax_id)
    if method := forms.text(params, "payment_method"):
        attach_to(state, method_of(state, method), customer)
    return customer


def update(state: State, params: Object, customer_id: str) -> Object:
    forms.allow(params, CUSTOMER_FIELDS - {"tax_id_data", "payment_method"})
    customer = find(state, customer_id)
    customer.update(_read(params, customer))
    emit(state, "customer.updated", customer)
    return customer


def _read(params: Object, before: Object) -> Object:
    found: Object = {name: forms.text(params, name) for name in TEXTS if name in params}
    if "address" in params:
        found["address"] = read_address(forms.mapping(params, "address"))
    if "tax_exempt" in params:
        values = {"none", "exempt", "reverse"}
        found["tax_exempt"] = forms.choice(params, "tax_exempt", values)
    if "invoice_settings" in params:
        given = forms.mapping(params, "invoice_settings")
        method = forms.text(given, "default_payment_method")
        found["invoice_settings"] = {"default_payment_method": method}
    found["metadata"] = forms.metadata(params, before.get("metadata"))
    return found


def read_address(given: Object) -> Object:
    forms.allow(given, set(ADDRESS))
    return {name: forms.text(given, name) for name in ADDRESS}


def find(state: State, customer_id: object) -> Object:
    """Raises: Refusal (404), also for one that was deleted."""
    customer = state.find("customer", customer_id, "customer")
    if customer.get("deleted"):
        raise missing("customer", customer["id"], "customer")
    return customer


def retrieve(state: State, params: Object, customer_id: str) -> Object:
    return state.find("customer", customer_id)


def delete(state: State, params: Object, customer_id: str) -> Object:
    customer = find(state, customer_id)
    customer["deleted"] = True
    emit(state, "customer.deleted", customer)
    return {"id": customer["id"], "object": "customer", "deleted": True}


def list_customers(state: State, params: Object) -> Object:
    email = forms.text(params, "email")
    return state.page("customer", "/v1/customers", params, email=email)


# --- tax ids --------------------------------------------------------------------------


def read_tax_id(given: Object) -> Object:
    forms.allow(given, {"type", "value"})
    forms.required(given, "value")
    kind = forms.choice(given, "type", TAX_ID_TYPES)
    if kind is None:
        raise forms.lacking("type")
    value = "".join((forms.text(given, "value") or "").split()).upper()
    if not 4 <= len(value) <= 20 or not value.isalnum():
        raise invalid("value", f"Invalid value for {kind}.", "tax_id_invalid")
    return {"type": kind, "value": value}


def add_tax_id(state: State, customer: Object, fields: Object) -> Object:
    made = state.add(
        "tax_id",
        "txi",
        {
            "country": fields["value"][:2] if fields["value"][:2].isalpha() else None,
            "customer": customer["id"],
            "owner": {"type": "customer", "customer": customer["id"]},
            **fields,
            "verification": {
                "status": "pending",
                "verified_address": None,
                "verified_name": None,
            },
        },
    )
    emit(state, "customer.tax_id.created", made)
    return made


def create_tax_id(state: State, params: Object, customer_id: str) -> Object:
    return add_tax_id(state, find(state, customer_id), read_tax_id(params))


def list_tax_ids(state: State, params: Object, customer_id: str) -> Object:
    customer = find(state, customer_id)
    url = f"/v1/customers/{customer['id']}/tax_ids"
    return state.page("tax_id", url, params, customer=customer["id"])


def delete_tax_id(
    state: State, params: Object, customer_id: str, tax_id: str
) -> Object:
    found = state.find("tax_id", tax_id)
    if found["customer"] != customer_id:
        raise missing("tax_id", tax_id)
    del state.objects[tax_id]
    return {"id": tax_id, "object": "tax_id", "deleted": True}


# --- payment methods ------------------------------------------------------------------


def create_method(state: State, params: Object) -> Object:
    forms.allow(params, {"type", "card", "billing_details"})
    forms.choice(params, "type", {"card"}, "card")
    given = forms.mapping(params, "card")
    token = (forms.text(given, "token") or "").replace("tok_", "pm_card_")
    number = (forms.text(given, "number") or "").replace(" ", "")
    card = CARDS.get(token) or BY_NUMBER.get(number)
    if card is None:
        raise invalid("card", "The sandbox knows Stripe's test cards only.")
    return new_method(state, card)


def new_method(state: State, card: Card) -> Object:
    return state.add(
        "payment_method",
        "pm",
        {
            "allow_redisplay": "unspecified",
            "billing_details": {
                **dict.fromkeys(("email", "name", "phone")),
                "address": dict.fromkeys(ADDRESS),
            },
            "card": {
                "brand": card.brand,
                "country": "US",
                "exp_month": 12,
                "exp_year": 2040,
                "fingerprint": f"sandbox{card.number[-4:]}",
                "funding": "credit",
                "last4": card.number[-4:],
            },
            "customer": None,
            "metadata": {},
            "type": "card",
            "_number": card.number,
            "_is_set_up": False,
        },
    )


def method_of(state: State, method_id: str) -> Object:
    """A payment method; Stripe's test ids make a new one. Raises: Refusal (404)."""
    if method_id in CARDS:
        return new_method(state, CARDS[method_id])
    return state.find("payment_method", method_id, "payment_method")


def card_of(method: Object) -> Card:
    return BY_NUMBER[method["_number"]]


def attach_to(state: State, method: Object, customer: Object) -> None:
    """Raises: Refusal (402) for a card that declines, (400) for another's."""
    if method["customer"] == customer["id"]:
        return
    if method["customer"]:
        raise unexpected_state(
            "This payment method is already attached to a customer.",
            "payment_method_unexpected_state",
        )
    card = card_of(method)
    if card.decline and not card.is_saved_all_the_same:
        code, message = DECLINES[card.decline]
        raise card_refusal(code, message, card.decline)
    method["customer"] = customer["id"]
    emit(state, "payment_method.attached", method)


def attach(state: State, params: Object, method_id: str) -> Object:
    forms.allow(params, {"customer"})
    customer = find(state, forms.required(params, "customer"))
    method = method_of(state, method_id)
    attach_to(state, method, customer)
    return method


def detach(state: State, params: Object, method_id: str) -> Object:
    method = state.find("payment_method", method_id)
    if not method["customer"]:
        raise unexpected_state(
            "The payment method is not attached to a customer.",
            "payment_method_unexpected_state",
        )
    method["customer"] = None
    emit(state, "payment_method.detached", method)
    return method


def retrieve_method(state: State, params: Object, method_id: str) -> Object:
    return state.find("payment_method", method_id)


def list_methods(state: State, params: Object, customer_id: str = "") -> Object:
    forms.choice(params, "type", {"card"})
    wanted = customer_id or forms.required(params, "customer")
    customer = find(state, wanted)
    url = f"/v1/customers/{customer['id']}/payment_methods"
    if not customer_id:
        url = "/v1/payment_methods"
    return state.page("payment_method", url, params, customer=customer["id"])
