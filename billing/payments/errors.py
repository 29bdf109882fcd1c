"""What can be refused when credits are bought, and what payment providers cannot do."""

from __future__ import annotations

from billing.values.errors import LedgerError


class TopUpRefused(LedgerError):
    """Understood and declined; nothing was written. Its text is for people."""

    field = ""  # which of the input is wrong, if it is one


class KeyReused(TopUpRefused):
    """The Idempotency-Key stands for another order."""

    field = "idempotency_key"


class BadKey(TopUpRefused):
    """No Idempotency-Key, or none that can be kept."""

    field = "idempotency_key"


class BadAmount(TopUpRefused):
    """No such amount of credits can be bought."""

    field = "credits"


class UnknownPack(TopUpRefused):
    """There is no such pack, or not any more."""

    field = "pack"


class UnknownCurrency(TopUpRefused):
    """Nothing is sold in that currency."""

    field = "currency"


class BadBuyer(TopUpRefused):
    """A name, an address or a tax id that cannot be kept."""

    field = "buyer"


class AccountSuspended(TopUpRefused):
    """A suspended organization buys nothing."""


class TooManyPending(TopUpRefused):
    """So many orders wait to be paid: pay one of them, or let them expire."""


class UnknownTopUp(TopUpRefused):
    """There is no such top-up in that organization."""


class NotPending(TopUpRefused):
    """It is paid, failed or expired already."""


class NotPaid(TopUpRefused):
    """Nothing can be paid back: it was never paid, or its bank decides first."""


class BadRefund(TopUpRefused):
    """More than is left, nothing, or without a reference or a reason."""

    field = "amount"


class UnknownEvent(TopUpRefused):
    """No provider has told of such an event."""


class NotQuarantined(TopUpRefused):
    """Nobody has to decide about it, or somebody has."""


class ProviderError(LedgerError):
    """The payment provider did not do what was asked."""


class ProviderOff(ProviderError):
    """He is not configured."""


class ProviderDown(ProviderError):
    """No answer, or none that helps: what was asked may have happened, so it is asked
    again with the same idempotency key."""


class ProviderRefusal(ProviderError):
    """He understood and declined: nothing was charged."""


class KeySpent(ProviderError):
    """The provider knows the idempotency key with other particulars."""
