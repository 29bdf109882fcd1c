"""The forms of buying credits, and of having them bought automatically."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError

from billing.models import AutoTopUp, Buyer
from billing.models.topup import ProviderName
from billing.payments import errors, prices
from billing.payments.automatic import Terms, consent_text
from billing.payments.prices import DECIMALS, money_text
from billing.values.orders import CREDIT
from portal.pages.parts.fields import CreditsField
from portal.pages.parts.tickets import TicketField
from portal.tenants.topups import Order, ways

CUSTOM = "custom"
WAYS = {
    ProviderName.STRIPE.value: "By card, now",
    ProviderName.MANUAL.value: "By bank transfer, on an invoice",
}


class BuyForm(forms.Form):
    """How many credits, how they are paid, and whom the receipt names."""

    ticket = TicketField()
    choice = forms.ChoiceField(label="Credits", widget=forms.RadioSelect)
    credits = CreditsField(label="Another amount")
    currency = forms.CharField(widget=forms.HiddenInput, max_length=3)
    way = forms.ChoiceField(label="How it is paid", widget=forms.RadioSelect)
    saves_method = forms.BooleanField(
        label="Keep the card for automatic top-ups",
        help_text="The payment provider keeps it; we never see its number. Nothing is "
        "bought automatically until you say so on the page of automatic top-ups.",
        required=False,
    )
    buyer_name = forms.CharField(
        label="Company or person",
        help_text="As it stands on the receipt.",
        required=False,
        max_length=200,
    )
    buyer_address = forms.CharField(
        label="Address",
        required=False,
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3, "autocomplete": "street-address"}),
    )
    buyer_tax_id = forms.CharField(
        label="Tax id",
        help_text="A VAT number, for instance; empty if there is none.",
        required=False,
        max_length=64,
    )

    def __init__(self, data: Any, buyer: Buyer | None) -> None:
        self.packs, names = prices.packs(), ways()
        initial = {
            "choice": self.packs[0].id if self.packs else CUSTOM,
            "currency": prices.currency(),
            "way": names[0] if names else "",
        }
        if buyer is not None:
            initial |= {
                "buyer_name": buyer.name,
                "buyer_address": buyer.address,
                "buyer_tax_id": buyer.tax_id,
            }
        super().__init__(data, initial=initial)
        choice, way = self.fields["choice"], self.fields["way"]
        assert isinstance(choice, forms.ChoiceField)
        assert isinstance(way, forms.ChoiceField)
        choice.choices = [
            *((pack.id, pack_words(pack)) for pack in self.packs),
            (CUSTOM, "Another amount"),
        ]
        choice.error_messages["invalid_choice"] = errors.UnknownPack.__doc__ or ""
        way.choices = [(name, WAYS[name]) for name in names]
        self.fields["credits"].help_text = custom_words()

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        micros = cleaned.get("credits")
        if cleaned.get("choice") == CUSTOM and (micros is None or micros % CREDIT):
            self.add_error("credits", "Write how many: whole credits.")
        if not self.errors:
            self._check_offer()
        return cleaned

    def _check_offer(self) -> None:
        """What cannot be bought becomes a field's error."""
        order = self.order()
        try:
            prices.offer(
                pack=order.pack, credits=order.credits, wanted_currency=order.currency
            )
        except errors.TopUpRefused as refusal:
            field = {"pack": "choice"}.get(refusal.field, refusal.field)
            self.add_error(field if field in self.fields else None, str(refusal))

    def order(self) -> Order:
        """What a valid form asks for."""
        asked = self.cleaned_data
        is_custom = asked["choice"] == CUSTOM
        return Order(
            pack="" if is_custom else asked["choice"],
            credits=(asked["credits"] or 0) // CREDIT if is_custom else None,
            currency=asked["currency"],
            provider=asked["way"],
            saves_method=asked["saves_method"] and asked["way"] == ProviderName.STRIPE,
            buyer_name=asked["buyer_name"],
            buyer_address=asked["buyer_address"].replace("\r\n", "\n"),
            buyer_tax_id=asked["buyer_tax_id"],
        )


def pack_words(pack: prices.Pack) -> str:
    price = money_text(pack.price_minor, pack.currency)
    return f"{pack.credits:,} credits for {price}"


def custom_words() -> str:
    """The price of an amount of choice, and its bounds."""
    least, most = settings.TOPUP_CREDITS_MIN, settings.TOPUP_CREDITS_MAX
    thousand = money_text(prices.price_minor(1000 * CREDIT), prices.currency())
    return f"Only for “Another amount”: {least:,} to {most:,}; {thousand} a thousand."


class MoneyField(forms.CharField):
    """An amount of the currency that is sold in, as minor units."""

    def __init__(self, **options: Any) -> None:
        attrs = {"inputmode": "decimal", "autocomplete": "off"}
        super().__init__(max_length=20, widget=forms.TextInput(attrs=attrs), **options)

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, int):
            return money_text(value, prices.currency()).split(" ")[0]
        return value

    def clean(self, value: Any) -> int:
        text: str = super().clean(value).replace(",", "").replace(" ", "")
        currency = prices.currency()
        try:
            millionths = prices.price_per_credit(text, currency)
        except ValueError:
            raise ValidationError("Write money as 250 or 99.50.") from None
        minor, rest = divmod(millionths, prices.PER_MINOR)
        if rest or not minor:
            places = DECIMALS[currency]
            raise ValidationError(f"More than nothing, with {places} decimals at most.")
        return minor


class AgreeForm(forms.Form):
    """The consent: to the very words that were shown."""

    text = forms.CharField(widget=forms.HiddenInput, max_length=2000)
    agrees = forms.BooleanField(
        label="I agree",
        help_text="Who agreed, when, from where, and to which words is kept.",
    )


class AutoForm(forms.Form):
    """When credits are bought without being asked for, and how many at most."""

    threshold = CreditsField(
        label="When fewer credits are available than",
    )
    amount = CreditsField(label="Buy so many credits")
    month_max = MoneyField(label="Spend in a calendar month at most")

    def __init__(self, data: Any, current: AutoTopUp | None) -> None:
        initial: dict[str, Any] = {}
        if current is not None:
            initial = {
                "threshold": current.threshold_micros,
                "amount": current.amount_micros,
                "month_max": current.month_max_minor,
            }
        super().__init__(data, initial=initial)
        self.fields["month_max"].help_text = f"In {prices.currency().upper()}."

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        for name in ("threshold", "amount"):
            if name in cleaned and cleaned[name] is None:
                self.add_error(name, "Write how many credits.")
        amount = cleaned.get("amount")
        if amount and amount % CREDIT:
            self.add_error("amount", "Whole credits are bought.")
        if not self.errors:
            assert amount is not None
            cleaned["terms"] = terms = Terms(
                cleaned["threshold"], amount // CREDIT, cleaned["month_max"]
            )
            try:
                cleaned["text"] = consent_text(terms)
            except errors.TopUpRefused as refusal:
                self.add_error(None, str(refusal))
        return cleaned
