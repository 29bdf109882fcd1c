"""The auditor's rules for what the operator corrects: of calls, and of credits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

    from tests.support.ledger.auditor import Call, Lot, Organization

Answer = tuple[Any, ...]


class Corrections:
    """Of an `Auditor`, which has these."""

    now: datetime
    organizations: dict[str, Organization]
    issued: int
    absorbed: int
    adjusted: int = 0  # what the operator gave, less what he took

    if TYPE_CHECKING:

        def _take_more(self, call: Call, missing: int) -> None: ...

    # --- what a call costs ------------------------------------------------------

    def correct(self, call: Call, price: int) -> Answer:
        """The call is to cost so much in all."""
        organization = self.organizations[call.organization]
        before = call.charged, call.borne
        over = call.charged + call.refunded + call.borne - price
        if over < 0:
            self._take_more(call, -over)
        else:
            relief = min(call.borne, over)
            call.borne -= relief
            self.absorbed -= relief
            organization.consumed -= relief
            self._give_back(call, min(over - relief, call.charged))
        return self._corrected(call, before)

    def _give_back(self, call: Call, back: int) -> None:
        """To the lots that it was taken from, the last one first."""
        if not back:
            return
        organization = self.organizations[call.organization]
        organization.consumed -= back
        call.charged -= back
        for lot in sorted(organization.lots, key=_burn_order, reverse=True):
            part = min(back, call.paid[lot.number])
            call.paid[lot.number] -= part
            lot.left += part
            back -= part
        self.pay_debt(call.organization)

    def refund(self, call: Call, lot: Lot) -> Answer:
        """The lot is what the customer gets."""
        organization = self.organizations[call.organization]
        before = call.charged, call.borne
        organization.consumed -= lot.amount
        call.charged -= lot.amount
        call.is_refunded = True
        call.refunded = lot.amount
        organization.lots.append(lot)
        self.pay_debt(call.organization)
        return self._corrected(call, before)

    def _corrected(self, call: Call, before: tuple[int, int]) -> Answer:
        available = self.organizations[call.organization].available(self.now)
        return (call.charged - before[0], call.borne - before[1], available)

    # --- credits outside any call -------------------------------------------------

    def pay_debt(self, name: str) -> int:
        organization = self.organizations[name]
        paid = self._take(organization, organization.owed)
        organization.owed -= paid
        return paid

    def credit(self, name: str, lot: Lot) -> Answer:
        self.organizations[name].lots.append(lot)
        self.adjusted += lot.amount
        self.pay_debt(name)
        return self._amended(name, lot.amount, 0)

    def debit(self, name: str, amount: int) -> Answer:
        organization = self.organizations[name]
        if amount > organization.available(self.now):
            return ("NotAmendable",)
        self.adjusted -= self._take(organization, amount)
        return self._amended(name, -amount, 0)

    def clawback(self, name: str, amount: int) -> Answer:
        taken, owed = self._claw_back(name, amount)
        return self._amended(name, -taken, owed)

    def write_off(self, name: str, amount: int) -> Answer:
        organization = self.organizations[name]
        if amount > organization.owed:
            return ("NotAmendable",)
        organization.owed -= amount
        self.adjusted += amount
        return self._amended(name, 0, -amount)

    def reverse(self, name: str, lot: Lot, *, recovers_spent: bool) -> Answer:
        left = max(0, lot.amount - lot.gone)
        own = min(left, lot.left - lot.held)
        rest = left - own if recovers_spent else 0
        if not own and not rest:
            return ("NotAmendable",)
        lot.left -= own
        lot.gone += own + rest
        self.issued -= own
        taken, owed = self._claw_back(name, rest)
        return self._amended(name, -own - taken, owed)

    def _claw_back(self, name: str, amount: int) -> tuple[int, int]:
        organization = self.organizations[name]
        taken = self._take(organization, amount)
        organization.owed += amount - taken
        self.issued -= amount
        return taken, amount - taken

    def _take(self, organization: Organization, most: int) -> int:
        parts = organization.take_free(most, self.now)
        for lot, part in parts:
            lot.left -= part
        return sum(part for _, part in parts)

    def _amended(self, name: str, moved: int, owed: int) -> Answer:
        organization = self.organizations[name]
        return (moved, owed, organization.available(self.now), organization.owed)


def _burn_order(lot: Lot) -> Answer:
    return lot.burns_before()
