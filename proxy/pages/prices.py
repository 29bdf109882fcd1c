"""What models cost an organization: by the tariff, as calls taught it, and lately."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from billing.models import LearnedBound
from billing.pricing import lessons, tariffs
from billing.pricing.rates import Rates, Units, UnpricedModel, rates_for
from billing.reports import usage
from billing.reports.balance import Balance
from billing.reports.bounds import expectation
from billing.reports.periods import last_days
from billing.reports.usage import Chosen, Dimension, Figures
from billing.values import patterns
from billing.values.amounts import price_of
from billing.values.orders import CREDIT
from portal.models import Organization, Rules
from portal.tenants.rules import listed
from proxy.calls.bounds import Terms

DAYS = 30
MILLION, THOUSAND = 1_000_000, 1000
# What a model of each category of the catalogue is called for.
CATEGORIES = {
    "chat": ("chat.completions",),
    "embedding": ("embeddings",),
    "image": ("images.generations", "images.edits"),
    "video": ("videos.generations",),
    "music": ("music.generations",),
    "audio": ("audio.speech", "audio.transcriptions"),
}


@dataclass(frozen=True, slots=True)
class Price:
    """So much for so many units, after the organization's factor."""

    unit: str
    micros: int


@dataclass(frozen=True, slots=True)
class Lately:
    """What calls of a model were charged in the last days, on average."""

    requests: int
    per_call_micros: int
    per_thousand_tokens_micros: int | None


@dataclass(frozen=True, slots=True)
class Offer:
    """A model, for one operation."""

    model: str
    operation: str
    prices: tuple[Price, ...]
    is_learned: bool  # calls cost more than the tariff says, and are held for at that
    lately: Lately | None
    refused_to: str  # "" for nobody

    @property
    def is_priced(self) -> bool:
        return bool(self.prices)


def offers(
    organization: Organization,
    models: Iterable[Mapping[str, Any]],
    balance: Balance,
    chosen: Chosen,
) -> list[Offer]:
    """Every model of the catalogue, by name; `chosen`: whose calls the averages are
    of."""
    tariff = tariffs.current()
    spent = _lately(organization, chosen)
    learned = set(
        LearnedBound.objects.filter(lessons__gt=0).values_list("operation", "model")
    )
    rules = list(Rules.objects.filter(organization=organization))
    found = []
    for model in models:
        name = str(model.get("id", ""))
        for operation in operations_of(model, tariff):
            rates = _rates(tariff, operation, name)
            found.append(
                Offer(
                    name,
                    operation,
                    _prices(rates, balance) if rates else (),
                    (operation, name) in learned,
                    spent.get(name),
                    _refused_to(rules, operation, name),
                )
            )
    return sorted(found, key=lambda offer: (offer.operation, offer.model))


def operations_of(model: Mapping[str, Any], tariff: Iterable[Rates]) -> tuple[str, ...]:
    """By its category; where the catalogue says none, those that name it."""
    if known := CATEGORIES.get(str(model.get("category", ""))):
        return known
    name = str(model.get("id", ""))
    return tuple(sorted({r.operation for r in tariff if r.model == name})) or ("—",)


def _rates(tariff: Iterable[Rates], operation: str, model: str) -> Rates | None:
    try:
        return rates_for(tariff, operation, model)
    except UnpricedModel:
        return None


def _prices(rates: Rates, balance: Balance) -> tuple[Price, ...]:
    """The units that cost anything, by the tariff; a price rounded up to its least
    step is a call's whole price."""
    found = (
        ("a call", rates.base_micros),
        ("1M tokens in", rates.prompt_token_micros * MILLION),
        ("1M tokens out", rates.completion_token_micros * MILLION),
        ("an image", rates.image_micros),
        ("a second", rates.second_micros),
        ("1,000 characters", rates.character_micros * THOUSAND),
        ("a web search", rates.web_search_micros),
    )
    factor = balance.price_factor_ppm
    return tuple(Price(unit, price_of(cost, factor)) for unit, cost in found if cost)


def _lately(organization: Organization, chosen: Chosen) -> dict[str, Lately]:
    span = last_days(organization.account.time_zone, DAYS)
    sums = usage.figures(chosen, [span], [Dimension.MODEL])
    return {
        str(names[0]): _averages(figures)
        for (_, names), figures in sums.items()
        if figures.requests
    }


def _averages(figures: Figures) -> Lately:
    tokens = figures.tokens
    return Lately(
        figures.requests,
        figures.charged_micros // figures.requests,
        figures.charged_micros * THOUSAND // tokens if tokens else None,
    )


def _refused_to(rules: Iterable[Rules], operation: str, model: str) -> str:
    """Whose allow-lists leave it out, counted: no names of keys."""
    keys = units = 0
    for row in rules:
        operations = listed(row.operations)
        is_allowed = not operations or operation in operations
        if is_allowed and patterns.matches(listed(row.model_patterns), model):
            continue
        if row.api_key_id is None and row.unit_id is None:
            return "everybody"
        keys += row.api_key_id is not None
        units += row.unit_id is not None
    words = [f"{keys} key{'s' * (keys != 1)}"] if keys else []
    if units:
        words.append(f"{units} project{'s' * (units != 1)} or members")
    return " and ".join(words)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a call would hold, and about what it would cost."""

    held_micros: int
    tariff_micros: int  # at the tariff, exactly these units
    likely_micros: int | None  # as such calls were charged lately
    is_paused: bool


def estimate(
    organization: Organization,
    balance: Balance,
    operation: str,
    model: str,
    units: Units,
    lately: Lately | None,
) -> Estimate:
    """By the rules of `POST /v1/quote`: the same terms, the same lessons.

    Raises: UnpricedModel.
    """
    tariff = tariffs.current()
    rates = rates_for(tariff, operation, model)
    caution = lessons.Caution(
        lessons.dearest(tariff, operation), settings.UNPRICED_CREDITS * CREDIT
    )
    shape = lessons.shape_of(lessons.mark_of(rates), units)
    terms = Terms(rates, caution, shape)
    expected = expectation(organization.account_id, operation, model, shape)
    bound = expected.bound_micros(
        terms.tariff_micros(units), terms.cautious_micros(units)
    )
    return Estimate(
        balance.hold_micros(bound),
        balance.hold_micros(terms.tariff_micros(units)),
        _likely(units, lately),
        expected.is_model_paused or expected.is_organization_paused,
    )


def _likely(units: Units, lately: Lately | None) -> int | None:
    tokens = units.prompt_tokens + units.completion_tokens
    if lately is None:
        return None
    if tokens and lately.per_thousand_tokens_micros is not None:
        return lately.per_thousand_tokens_micros * tokens // THOUSAND
    return lately.per_call_micros * max(1, units.images)
