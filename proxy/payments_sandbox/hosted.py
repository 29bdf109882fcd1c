"""The hosted page: what a customer sees, in a browser with or without scripts."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from proxy.payments_sandbox import checkout, forms, paying
from proxy.payments_sandbox.errors import Refusal
from proxy.payments_sandbox.state import Object, State

# No script, no file of anybody's: one page of text and forms.
STYLE = """
:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}
body{max-width:34rem;margin:2rem auto;padding:0 1rem}
table{width:100%;border-collapse:collapse}td{padding:.3rem 0}
td:last-child{text-align:right}tr:last-child{font-weight:700}
label{display:block;margin:.6rem 0}
input,select{width:100%;box-sizing:border-box;font:inherit;padding:.4rem}
button{font:inherit;padding:.5rem .9rem;margin:.3rem .3rem .3rem 0}
.alert{border:2px solid;padding:.5rem .8rem}
"""
BUTTONS = {
    "pay": "Pay",
    "decline": "Pay with a card that is declined",
    "authenticate": "Pay with 3-D Secure",
    "later": "Pay later, by bank transfer",
}
ENDED = {
    "complete": "This payment is complete.",
    "expired": "This session has expired. Nothing was charged.",
}
COUNTRIES = ("DE", "AT", "CH", "FR", "GB", "IE", "NL", "SE", "US", "JP")
TAX_IDS = ("eu_vat", "gb_vat", "ch_vat", "us_ein", "no_vat")


@dataclass(frozen=True, slots=True)
class Page:
    """`location` sends the browser on; else `html` is shown."""

    status: int
    html: str = ""
    location: str = ""


def get(state: State, path: str) -> Page:
    """A page below `/pay/`. Never raises for what does not exist: it says so."""
    with state.lock:
        try:
            if path.startswith("authenticate/"):
                return _bank_page(state, path.removeprefix("authenticate/"))
            session = checkout.find(state, path)
        except Refusal as refusal:
            return _message(refusal.status, str(refusal))
        return _page(state, session)


def post(state: State, path: str, form: Object) -> Page:
    """A button was pressed."""
    with state.lock:
        try:
            if path.startswith("authenticate/"):
                return _authenticated(state, path.removeprefix("authenticate/"), form)
            return _acted(state, path, form)
        except Refusal as refusal:
            return _message(refusal.status, str(refusal))
        finally:
            state.save()


def _acted(state: State, session_id: str, form: Object) -> Page:
    deed = forms.text(form, "act") or ""
    if deed in {"arrived", "failed"}:
        session = paying.settle(state, session_id, is_paid=deed == "arrived")
        return _page(state, session)
    try:
        session = paying.act(state, session_id, deed, form)
    except Refusal as refusal:
        found = checkout.find(state, session_id)
        return _page(state, found, alert=str(refusal), status=refusal.status)
    if deed == "abandon":
        return Page(303, location=session["cancel_url"] or session["success_url"])
    return _forward(state, session)


def _forward(state: State, session: Object) -> Page:
    """To the bank, or back to the shop."""
    intent_id = session["payment_intent"] or session["setup_intent"]
    action = (state.objects.get(intent_id) or {}).get("next_action")
    if session["status"] == "open" and action:
        return Page(303, location=action["redirect_to_url"]["url"])
    url = session["success_url"].replace("{CHECKOUT_SESSION_ID}", session["id"])
    return Page(303, location=url)


# --- the shop's page ------------------------------------------------------------------


def _page(state: State, session: Object, alert: str = "", status: int = 200) -> Page:
    if session["status"] != "open":
        return _ended(state, session, status)
    rows = "".join(
        f"<tr><td>{escape(line['description'])} × {line['quantity']}</td>"
        f"<td>{forms.money(line['amount_total'], line['currency'])}</td></tr>"
        for line in session["_line_items"]["data"]
    )
    total = ""
    if session["mode"] == "payment":
        shown = forms.money(session["amount_total"], session["currency"])
        total = f"<tr><td>Total</td><td>{shown}</td></tr>"
    back = "<p><button name=act value=abandon formnovalidate>Back to the shop</button>"
    body = (
        f"{_alert(alert)}<table>{rows}{total}</table><form method=post>"
        f"{_fields(state, session)}{_buttons(session)}{back}</form>"
    )
    title = "Pay" if session["mode"] == "payment" else "Save a card"
    return _html(status, f"{title} (sandbox)", body)


def _buttons(session: Object) -> str:
    buttons = dict(BUTTONS)
    if session["mode"] == "setup":
        del buttons["later"]
        buttons["pay"] = "Save the card"
    made = "".join(
        f"<button name=act value={name}>{label}</button>"
        for name, label in buttons.items()
    )
    return f"<p>{made}"


def _fields(state: State, session: Object) -> str:
    owner = state.objects.get(session["customer"] or "") or {}
    email = session["customer_email"] or owner.get("email") or ""
    name = owner.get("name") or ""
    made = [_input("email", "E-mail", email), _input("name", "Name", name)]
    if session["billing_address_collection"] == "required":
        made += [
            _select("country", "Country", COUNTRIES),
            _input("line1", "Street", ""),
            _input("postal_code", "Postal code", ""),
            _input("city", "Town", ""),
        ]
    if session["tax_id_collection"]["enabled"]:
        made += [
            _select("tax_id_type", "Kind of tax id", TAX_IDS),
            _input("tax_id", "Tax id (may stay empty)", ""),
        ]
    return "".join(made)


def _input(name: str, label: str, value: str) -> str:
    return f'<label>{label}<input name={name} value="{escape(value)}"></label>'


def _select(name: str, label: str, values: tuple[str, ...]) -> str:
    options = "".join(f"<option>{value}</option>" for value in values)
    return f"<label>{label}<select name={name}>{options}</select></label>"


def _ended(state: State, session: Object, status: int) -> Page:
    intent = state.objects.get(session["payment_intent"] or "", {"status": ""})
    if intent["status"] == "processing":
        return _html(
            status,
            "On its way (sandbox)",
            "<p>The transfer is on its way.</p><form method=post>"
            "<button name=act value=arrived>The money arrives</button>"
            "<button name=act value=failed>The transfer fails</button></form>",
        )
    return _message(status, ENDED[session["status"]])


# --- the bank's page ------------------------------------------------------------------


def _bank_page(state: State, intent_id: str) -> Page:
    intent = state.objects.get(intent_id, {"status": None})
    if intent["status"] != "requires_action":
        return _message(404, "There is nothing to authenticate.")
    body = (
        "<p>Your bank asks: is this you?</p><form method=post>"
        "<button name=act value=complete>Complete authentication</button>"
        "<button name=act value=fail>Fail authentication</button></form>"
    )
    return _html(200, "3-D Secure (sandbox)", body)


def _authenticated(state: State, intent_id: str, form: Object) -> Page:
    succeeds = forms.choice(form, "act", {"complete", "fail"}, "fail") == "complete"
    name = "payment_intent" if intent_id.startswith("pi_") else "setup_intent"
    try:
        session = paying.authenticate(state, intent_id, succeeds=succeeds)
    except Refusal as refusal:
        found = state.all_of("checkout.session", **{name: intent_id})
        if not found:
            raise
        return _page(state, found[0], alert=str(refusal), status=refusal.status)
    if session is None:
        return _message(200, "Authenticated.")
    return _forward(state, session)


# --- HTML -----------------------------------------------------------------------------


def _alert(text: str) -> str:
    return f"<p class=alert role=alert>{escape(text)}</p>" if text else ""


def _message(status: int, text: str) -> Page:
    return _html(status, "Payments sandbox", f"<p>{escape(text)}</p>")


def _html(status: int, title: str, body: str) -> Page:
    return Page(
        status,
        "<!doctype html><html lang=en><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width'>"
        f"<title>{escape(title)}</title><style>{STYLE}</style>"
        f"<main><h1>{escape(title)}</h1>{body}</main></html>",
    )
