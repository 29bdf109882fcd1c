"""One charge as FOCUS has it: what stands in which column."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from django.conf import settings

from billing.models import Grant, Statement, TopUp
from billing.payments import prices
from billing.payments.price_history import Price
from billing.reports.day_lines import DayLine
from billing.reports.months import month_of, span_of
from billing.reports.periods import DAY, Range, day_of, day_start
from billing.reports.usage import Figures
from portal.documents.columns import Column, Row
from portal.documents.labels import receipt_label
from portal.documents.sources import money
from portal.documents.sources.usage import Names
from portal.models import Organization

Values = dict[str, Any]
ONE = "1.00"
NONE = "0.00"


@dataclass(frozen=True, slots=True)
class Charge:
    """What was used on a day by one key, of one model."""

    line: DayLine
    used: Figures
    names: Names
    price: Price  # of a credit, when it was used
    is_correction: bool


class Writer:
    """Of one organization."""

    def __init__(self, organization: Organization) -> None:
        self.organization = organization
        self.zone = organization.account.time_zone
        self.currency = prices.currency()
        self._periods: dict[str, Range] = {
            row.month: Range(row.starts_at, row.ends_at)
            for row in Statement.objects.filter(
                account_id=organization.account_id, part=0
            )
        }

    def usage(self, charge: Charge) -> Values:
        """Its credits at the price of one credit; nothing is billed for it."""
        line, used, names = charge.line, charge.used, charge.names
        price = charge.price
        label = names.labels.of(line.key_id, line.project_id)
        worth, credits = (
            money.cost(used.charged_micros, price.each),
            money.of_micros(used.charged_micros),
        )
        is_first = not charge.is_correction
        model = line.model or line.operation
        tokens = used.prompt_tokens + used.completion_tokens
        tags = dict(label.tags)
        if label.cost_center:
            tags["cost_center"] = label.cost_center
        return {
            **self._any(line.span.start, "Usage", f"{line.operation} by {model}"),
            "BillingCurrency": price.currency.upper(),
            "ChargePeriodStart": day_start(self.zone, line.day),
            "ChargePeriodEnd": day_start(self.zone, line.day + DAY),
            "ChargeClass": "Correction" if charge.is_correction else None,
            "ChargeFrequency": "Usage-Based",
            "ConsumedQuantity": (
                money.decimal(tokens or used.requests, 0) if is_first else None
            ),
            "ConsumedUnit": ("Tokens" if tokens else "Requests") if is_first else None,
            "EffectiveCost": worth,
            "ListCost": worth,
            "ContractedCost": worth,
            **self._priced(money.decimal(price.each, money.PRICE_PLACES)),
            "PricingCurrencyContractedUnitPrice": ONE,
            "PricingCurrencyListUnitPrice": ONE,
            "PricingCurrencyEffectiveCost": credits,
            "PricingQuantity": credits,
            "PricingUnit": "Credits",
            **self._sku(model, "Tokens" if tokens else "Requests", line.operation),
            "SubAccountId": f"unit_{line.project_id}" if line.project_id else None,
            "SubAccountName": names.of_units.get(line.project_id) or None,
            "SubAccountType": "Project" if line.project_id else None,
            "Tags": _json(tags),
            "x_ConsumerId": f"unit_{line.holder_id}" if line.holder_id else None,
            "x_CostCenter": label.cost_center or None,
            "x_CredentialId": label.key_id or None,
            "x_CredentialName": names.of_keys.get(line.key_id) or None,
            "x_CreditsMicros": used.charged_micros,
            "x_InputTokens": used.prompt_tokens,
            "x_Model": line.model or None,
            "x_OperationId": line.operation,
            "x_OutputTokens": used.completion_tokens,
            "x_PrincipalName": names.of_units.get(line.holder_id) or None,
            "x_RequestCount": used.requests,
        }

    def receipt(self, topup: TopUp) -> Iterator[Values]:
        """Its price, and its tax where there is any."""
        assert topup.paid_at is not None
        credits = money.of_micros(topup.amount_micros)
        price = money.of_minor(topup.price_minor, topup.currency)
        of_it = f"{credits} credits, receipt {receipt_label(topup)}"
        yield {
            **self._any(topup.paid_at, "Purchase", of_it),
            **self._on_invoice(topup, "price"),
            "BilledCost": price,
            "ChargeFrequency": "One-Time",
            "ListCost": price,
            "ContractedCost": price,
            **self._priced(price),
            "PricingCurrencyContractedUnitPrice": credits,
            "PricingCurrencyListUnitPrice": credits,
            "PricingCurrencyEffectiveCost": NONE,
            "PricingQuantity": ONE,
            "PricingUnit": "Packs",
            **self._sku(topup.pack or "credits", "Credits", "purchase"),
            "x_CreditsMicros": topup.amount_micros,
        }
        if topup.tax_minor:
            tax = money.of_minor(topup.tax_minor, topup.currency)
            yield {
                **self._any(
                    topup.paid_at, "Tax", f"Tax, receipt {receipt_label(topup)}"
                ),
                **self._on_invoice(topup, "tax"),
                "BilledCost": tax,
                "EffectiveCost": tax,
                "ListCost": tax,
                "ContractedCost": tax,
                "ChargeFrequency": "One-Time",
                "PricingCurrencyEffectiveCost": NONE,
            }

    def paid_back(self, topup: TopUp, at: datetime, minor: int, micros: int) -> Values:
        """A correction of its receipt."""
        back = money.of_minor(-minor, topup.currency)
        said = f"Paid back of receipt {receipt_label(topup)}"
        return {
            **self._any(at, "Purchase", said),
            **self._on_invoice(topup, f"back-{at:%Y%m%d%H%M%S%f}"),
            "BilledCost": back,
            "ChargeClass": "Correction",
            "ChargeFrequency": "One-Time",
            "ListCost": back,
            "ContractedCost": back,
            **self._priced(back),
            "PricingCurrencyContractedUnitPrice": money.of_micros(-micros),
            "PricingCurrencyListUnitPrice": money.of_micros(-micros),
            "PricingCurrencyEffectiveCost": NONE,
            "PricingQuantity": ONE,
            "PricingUnit": "Packs",
            **self._sku(topup.pack or "credits", "Credits", "purchase"),
            "x_CreditsMicros": -micros,
        }

    def given(self, grant: Grant) -> Values:
        """Credits that nobody paid for, or not here."""
        said = f"{money.of_micros(grant.amount_micros)} credits: {grant.source}"
        return {
            **self._any(grant.created_at, "Credit", said),
            "ChargeFrequency": "One-Time",
            "PricingCurrencyEffectiveCost": NONE,
            "x_CreditsMicros": grant.amount_micros,
        }

    def invoice_line(
        self,
        columns: tuple[Column, ...],
        topup: TopUp,
        values: Values,
        at: datetime | None,
    ) -> Row:
        """The same charge as a line of its receipt."""
        currency = topup.currency.upper()
        found = values | {
            "InvoiceDetailCreated": at,
            "InvoiceDetailDescription": values["ChargeDescription"],
            "InvoiceDetailGrain": _json({"ChargeCategory": values["ChargeCategory"]}),
            "InvoiceDetailLastUpdated": at,
            "InvoiceIssueDate": topup.paid_at,
            "InvoiceIssueStatus": "Issued",
            "PaymentCurrency": currency,
            "PaymentCurrencyBilledCost": values["BilledCost"],
            "PaymentDueDate": topup.paid_at,
            "PaymentTerms": "Due on receipt",
            "ReferenceInvoiceId": values["InvoiceId"],
            "x_Credits": money.of_micros(values.get("x_CreditsMicros", 0)),
        }
        return tuple(found.get(column.name) for column in columns)

    # --- what charges share -----------------------------------------------------------

    def _any(self, at: datetime, category: str, description: str) -> Values:
        period = self._period(at)
        day = day_of(self.zone, at)
        name = settings.OPERATOR_NAME
        return {
            "BilledCost": NONE,
            "EffectiveCost": NONE,
            "ListCost": NONE,
            "ContractedCost": NONE,
            "BillingAccountId": self.organization.slug,
            "BillingAccountName": self.organization.name,
            "BillingAccountType": "Organization",
            "BillingCurrency": self.currency.upper(),
            "BillingPeriodStart": period.start,
            "BillingPeriodEnd": period.end,
            "ChargeCategory": category,
            "ChargeDescription": description,
            "ChargePeriodStart": day_start(self.zone, day),
            "ChargePeriodEnd": day_start(self.zone, day + DAY),
            "PricingCurrency": "Credits",
            "HostProviderName": name,
            "InvoiceIssuerName": name,
            "ProviderName": name,
            "PublisherName": name,
            "ServiceProviderName": name,
            "ServiceCategory": "AI and Machine Learning",
            "ServiceSubcategory": "Generative AI",
            "ServiceName": f"{name} AI API",
            "Tags": "{}",
        }

    def _priced(self, price: str) -> Values:
        return {
            "ListUnitPrice": price,
            "ContractedUnitPrice": price,
            "PricingCategory": "Standard",
        }

    def _on_invoice(self, topup: TopUp, line: str) -> Values:
        number = receipt_label(topup)
        return {
            "InvoiceId": number,
            "InvoiceDetailId": f"{number}-{line}",
            "BillingCurrency": topup.currency.upper(),
        }

    def _sku(self, id_: str, meter: str, operation: str) -> Values:
        return {
            "SkuId": id_,
            "SkuMeter": meter,
            "SkuPriceDetails": "{}",
            "SkuPriceId": f"{operation}/{id_}",
        }

    def _period(self, at: datetime) -> Range:
        """The statement's, where the month is closed."""
        month = month_of(self.zone, at)
        if month not in self._periods:
            self._periods[month] = span_of(self.zone, month)
        return self._periods[month]


def _json(value: dict[str, Any]) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
