"""Where money moves: charges, refunds, disputes. Each move is in the journal."""

from __future__ import annotations

from proxy.payments_sandbox import forms
from proxy.payments_sandbox.cards import Card
from proxy.payments_sandbox.errors import invalid, unexpected_state
from proxy.payments_sandbox.events import emit
from proxy.payments_sandbox.state import Object, State

REFUND_FIELDS = {"amount", "charge", "payment_intent", "reason"}
REASONS = {"duplicate", "fraudulent", "requested_by_customer"}
OUTCOMES = {"won", "lost"}


def charge(state: State, intent: Object, method: Object, failure: str | None) -> Object:
    """One attempt to take the money; it is taken unless there is a failure."""
    made = state.add(
        "charge",
        "ch",
        {
            "amount": intent["amount"],
            "amount_captured": 0 if failure else intent["amount"],
            "amount_refunded": 0,
            "billing_details": method["billing_details"],
            "captured": failure is None,
            "currency": intent["currency"],
            "customer": intent["customer"],
            "description": intent["description"],
            "disputed": False,
            "failure_code": failure,
            "failure_message": "The payment failed." if failure else None,
            "metadata": dict(intent["metadata"]),
            "paid": failure is None,
            "payment_intent": intent["id"],
            "payment_method": method["id"],
            "payment_method_details": {"type": "card", "card": dict(method["card"])},
            "receipt_email": intent["receipt_email"],
            "receipt_number": None,
            "receipt_url": None,
            "refunded": False,
            "status": "failed" if failure else "succeeded",
            "_session": intent.get("_session"),
            "_reference": intent.get("_reference"),
        },
    )
    intent["latest_charge"] = made["id"]
    if failure is None:
        state.journal.append("taken", made, made["amount"], state.now())
    emit(state, f"charge.{made['status']}", made)
    return made


def retrieve(state: State, params: Object, charge_id: str) -> Object:
    return state.find("charge", charge_id)


def list_charges(state: State, params: Object) -> Object:
    return state.page(
        "charge",
        "/v1/charges",
        params,
        customer=forms.text(params, "customer"),
        payment_intent=forms.text(params, "payment_intent"),
    )


# --- refunds --------------------------------------------------------------------------


def charge_named(state: State, params: Object) -> Object:
    """By `charge` or `payment_intent`. Raises: Refusal (400, 404)."""
    if charge_id := forms.text(params, "charge"):
        return state.find("charge", charge_id, "charge")
    if not (intent_id := forms.text(params, "payment_intent")):
        raise forms.lacking("payment_intent")
    intent = state.find("payment_intent", intent_id, "payment_intent")
    if intent["status"] != "succeeded":
        raise invalid("payment_intent", "This PaymentIntent has no paid charge.")
    return state.find("charge", intent["latest_charge"])


def create_refund(state: State, params: Object) -> Object:
    forms.allow(params, REFUND_FIELDS)
    reason = forms.choice(params, "reason", REASONS)
    of = charge_named(state, params)
    left = of["amount"] - of["amount_refunded"]
    if of["disputed"]:
        raise unexpected_state("The charge is disputed.", "charge_disputed")
    if not of["paid"] or left <= 0:
        raise unexpected_state(
            f"Charge {of['id']} has already been refunded.", "charge_already_refunded"
        )
    amount = forms.integer(params, "amount") if "amount" in params else left
    if not amount or not 0 < amount <= left:
        raise invalid(
            "amount", f"Refund amount is not between 1 and {left}.", "amount_too_large"
        )
    return refund(state, of, amount, reason, forms.metadata(params))


def refund(
    state: State, of: Object, amount: int, reason: str | None, metadata: Object
) -> Object:
    made = state.add(
        "refund",
        "re",
        {
            "amount": amount,
            "charge": of["id"],
            "currency": of["currency"],
            "metadata": metadata,
            "payment_intent": of["payment_intent"],
            "reason": reason,
            "receipt_number": None,
            "status": "succeeded",
        },
    )
    of["amount_refunded"] += amount
    of["refunded"] = of["amount_refunded"] == of["amount"]
    state.journal.append("returned", of, amount, state.now())
    emit(state, "refund.created", made)
    emit(state, "charge.refunded", of)
    return made


def fail_refund(state: State, made: Object) -> None:
    """Days later its bank sends the money back."""
    of = state.find("charge", made["charge"])
    made["status"] = "failed"
    of["amount_refunded"] -= made["amount"]
    of["refunded"] = False
    state.journal.append("kept", of, made["amount"], state.now())
    emit(state, "refund.failed", made)


def retrieve_refund(state: State, params: Object, refund_id: str) -> Object:
    return state.find("refund", refund_id)


def list_refunds(state: State, params: Object) -> Object:
    return state.page(
        "refund",
        "/v1/refunds",
        params,
        charge=forms.text(params, "charge"),
        payment_intent=forms.text(params, "payment_intent"),
    )


# --- disputes -------------------------------------------------------------------------


def open_dispute(state: State, of: Object) -> Object:
    """The bank takes back what is left of a charge. Raises: Refusal (400)."""
    left = of["amount"] - of["amount_refunded"]
    if of["disputed"] or not of["paid"] or left <= 0:
        raise unexpected_state("There is nothing to dispute.", "charge_not_disputable")
    made = state.add(
        "dispute",
        "du",
        {
            "amount": left,
            "charge": of["id"],
            "currency": of["currency"],
            "evidence": {},
            "evidence_details": {
                "due_by": state.now() + 7 * 86400,
                "has_evidence": False,
                "past_due": False,
                "submission_count": 0,
            },
            "is_charge_refundable": False,
            "metadata": {},
            "payment_intent": of["payment_intent"],
            "reason": "fraudulent",
            "status": "needs_response",
        },
    )
    of["disputed"] = True
    state.journal.append("disputed", of, left, state.now())
    emit(state, "charge.dispute.created", made)
    emit(state, "charge.dispute.funds_withdrawn", made)
    return made


def close_dispute(state: State, dispute: Object, outcome: str) -> Object:
    """`won` gives us the money again. Raises: Refusal (400)."""
    if dispute["status"] in OUTCOMES:
        raise unexpected_state("The dispute is closed.", "dispute_closed")
    if outcome not in OUTCOMES:
        raise invalid("outcome", "A dispute is won or lost.")
    dispute["status"] = outcome
    if outcome == "won":
        of = state.find("charge", dispute["charge"])
        of["disputed"] = False
        state.journal.append("won", of, dispute["amount"], state.now())
        emit(state, "charge.dispute.funds_reinstated", dispute)
    emit(state, "charge.dispute.closed", dispute)
    return dispute


def give_up_dispute(state: State, params: Object, dispute_id: str) -> Object:
    """Stripe's `close`: the dispute is accepted, so it is lost."""
    return close_dispute(state, state.find("dispute", dispute_id), "lost")


def retrieve_dispute(state: State, params: Object, dispute_id: str) -> Object:
    return state.find("dispute", dispute_id)


def list_disputes(state: State, params: Object) -> Object:
    return state.page(
        "dispute",
        "/v1/disputes",
        params,
        charge=forms.text(params, "charge"),
        payment_intent=forms.text(params, "payment_intent"),
    )


def dispute_if_so(state: State, card: Card, of: Object) -> None:
    """A test card whose payments are disputed at once."""
    if card.is_disputed:
        open_dispute(state, of)
