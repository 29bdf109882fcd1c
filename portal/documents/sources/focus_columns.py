"""The columns of FOCUS, in both versions that are written: names, types, order.

1.4 names who provides a service where 1.2 has ProviderName and PublisherName, and says
which line of an invoice a charge is on.
"""

from __future__ import annotations

from portal.documents.columns import Column, Type

_T, _P, _D, _I = Type.TEXT, Type.PLAIN, Type.DECIMAL, Type.INSTANT
_SHARED = (
    Column("BilledCost", _D),
    Column("BillingAccountId", _P),
    Column("BillingAccountName", _T),
    Column("BillingAccountType", _P),
    Column("BillingCurrency", _P),
    Column("BillingPeriodEnd", _I),
    Column("BillingPeriodStart", _I),
    Column("ChargeCategory", _P),
    Column("ChargeClass", _P),
    Column("ChargeDescription", _T),
    Column("ChargeFrequency", _P),
    Column("ChargePeriodEnd", _I),
    Column("ChargePeriodStart", _I),
    Column("ConsumedQuantity", _D),
    Column("ConsumedUnit", _P),
    Column("ContractedCost", _D),
    Column("ContractedUnitPrice", _D),
    Column("EffectiveCost", _D),
    Column("InvoiceId", _P),
    Column("InvoiceIssuerName", _T),
    Column("ListCost", _D),
    Column("ListUnitPrice", _D),
    Column("PricingCategory", _P),
    Column("PricingCurrency", _P),
    Column("PricingCurrencyContractedUnitPrice", _D),
    Column("PricingCurrencyEffectiveCost", _D),
    Column("PricingCurrencyListUnitPrice", _D),
    Column("PricingQuantity", _D),
    Column("PricingUnit", _P),
)
_AFTER = (
    Column("ServiceCategory", _P),
    Column("ServiceName", _T),
    Column("ServiceSubcategory", _P),
    Column("SkuId", _T),
    Column("SkuMeter", _T),
    Column("SkuPriceDetails", _P),
    Column("SkuPriceId", _T),
    Column("SubAccountId", _P),
    Column("SubAccountName", _T),
    Column("SubAccountType", _P),
    Column("Tags", _P),
    Column("x_ConsumerId", _P),
    Column("x_CostCenter", _T),
    Column("x_CredentialId", _P),
    Column("x_CredentialName", _T),
    Column("x_CreditsMicros", Type.INT),
    Column("x_InputTokens", Type.INT),
    Column("x_Model", _T),
    Column("x_OperationId", _P),
    Column("x_OutputTokens", Type.INT),
    Column("x_PrincipalName", _T),
    Column("x_RequestCount", Type.INT),
)
COLUMNS_1_2 = (
    *_SHARED,
    Column("ProviderName", _T),
    Column("PublisherName", _T),
    *_AFTER,
)
COLUMNS_1_4 = (
    *_SHARED,
    Column("HostProviderName", _T),
    Column("InvoiceDetailId", _P),
    Column("ServiceProviderName", _T),
    *_AFTER,
)
INVOICE_DETAIL = (
    Column("BilledCost", _D),
    Column("BillingAccountId", _P),
    Column("BillingCurrency", _P),
    Column("BillingPeriodEnd", _I),
    Column("BillingPeriodStart", _I),
    Column("ChargeCategory", _P),
    Column("InvoiceDetailCreated", _I),
    Column("InvoiceDetailDescription", _T),
    Column("InvoiceDetailGrain", _P),
    Column("InvoiceDetailId", _P),
    Column("InvoiceDetailLastUpdated", _I),
    Column("InvoiceId", _P),
    Column("InvoiceIssueDate", _I),
    Column("InvoiceIssueStatus", _P),
    Column("InvoiceIssuerName", _T),
    Column("PaymentCurrency", _P),
    Column("PaymentCurrencyBilledCost", _D),
    Column("PaymentDueDate", _I),
    Column("PaymentTerms", _T),
    Column("ReferenceInvoiceId", _P),
    Column("x_Credits", _D),
)
BILLING_PERIOD = (
    Column("BillingPeriodCreated", _I),
    Column("BillingPeriodEnd", _I),
    Column("BillingPeriodLastUpdated", _I),
    Column("BillingPeriodStart", _I),
    Column("BillingPeriodStatus", _P),
    Column("InvoiceIssuerName", _T),
)
