"""Stripe's test cards, and what each of them does.

number               what it does
4242 4242 4242 4242  pays
5555 5555 5555 4444  pays
4000 0000 0000 0002  is declined, also to be saved
4000 0000 0000 9995  is declined: insufficient_funds
4000 0000 0000 0069  is declined: expired_card
4000 0000 0000 0341  can be saved, then is declined
4000 0025 0000 3155  wants 3-D Secure, until it is saved for off_session
4000 0027 6000 3184  wants 3-D Secure each time
4000 0000 0000 0259  pays, and is disputed at once
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Card:
    number: str
    brand: str = "visa"
    decline: str | None = None  # Stripe's decline_code
    is_saved_all_the_same: bool = False
    authentication: Literal["never", "once", "always"] = "never"
    is_disputed: bool = False


CARDS = {
    "pm_card_visa": Card("4242424242424242"),
    "pm_card_mastercard": Card("5555555555554444", "mastercard"),
    "pm_card_chargeDeclined": Card("4000000000000002", decline="generic_decline"),
    "pm_card_chargeDeclinedInsufficientFunds": Card(
        "4000000000009995", decline="insufficient_funds"
    ),
    "pm_card_chargeDeclinedExpiredCard": Card(
        "4000000000000069", decline="expired_card"
    ),
    "pm_card_chargeCustomerFail": Card(
        "4000000000000341", decline="generic_decline", is_saved_all_the_same=True
    ),
    "pm_card_authenticationRequiredOnSetup": Card(
        "4000002500003155", authentication="once"
    ),
    "pm_card_authenticationRequired": Card("4000002760003184", authentication="always"),
    "pm_card_createDispute": Card("4000000000000259", is_disputed=True),
}
BY_NUMBER = {card.number: card for card in CARDS.values()}
# The code and the sentence of a decline.
DECLINES = {
    "generic_decline": ("card_declined", "Your card was declined."),
    "insufficient_funds": ("card_declined", "Your card has insufficient funds."),
    "expired_card": ("expired_card", "Your card has expired."),
}
