"""*Models and prices*: the gateway's catalogue, this organization's prices, and a
calculator that says what the ledger would hold. Costs about 2 s of CPU on SQLite."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from billing.models import Account, LearnedBound, Tariff
from billing.pricing import lessons, tariffs
from billing.pricing.rates import Units, rates_for
from billing.values import clock
from billing.values.orders import CREDIT
from portal.models import Organization, Role, User
from portal.tenants import rules
from proxy.calls.bounds import terms_of
from proxy.calls.call import Call
from proxy.http import upstream_refusals
from proxy.pages import prices
from proxy.process import caches
from proxy.sandbox.catalogue import MODELS
from proxy.upstream.catalogue import Catalogue
from tests.support.cast import OPERATOR, make_call, make_key, make_member
from tests.support.portal import pages

pytestmark = pytest.mark.once
CHAT, MODEL = "chat.completions", "openai/gpt-4o"


@pytest.fixture(autouse=True)
def sandbox_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    async def models(_: Catalogue) -> list[dict[str, Any]]:
        return [model.listed() for model in MODELS]

    monkeypatch.setattr(Catalogue, "models", models)


def show(user: User, **query: Any) -> pages.Page:
    client = Client()
    client.force_login(user)
    answer = client.get(reverse("models", args=["acme"]), query)
    assert answer.status_code == 200
    return pages.read(answer)


def test_every_model_is_there_with_its_prices(
    organization: Organization, alice: User
) -> None:
    Account.objects.filter(id=organization.account_id).update(
        price_factor_ppm=2_000_000
    )
    page = show(alice)
    for model in MODELS:
        assert model.id in page.text
    assert not pages.misplaced(page)
    rates = rates_for(tariffs.current(), "images.generations", "fal-ai/flux/dev")
    assert f"{2 * rates.image_micros // CREDIT} an image" in page.text


def test_prices_of_late_are_of_the_calls_one_may_see(
    organization: Organization, alice: User, bob: User
) -> None:
    make_call(make_key(organization, alice)[0], charged=6, model=MODEL)
    make_call(make_key(organization, bob)[0], charged=2, model=MODEL)
    averages = {each.model: each.lately for each in offers(organization)}
    found = averages[MODEL]
    assert found is not None
    assert (found.requests, found.per_call_micros) == (2, 4 * CREDIT)
    assert found.per_thousand_tokens_micros == 8 * CREDIT * 1000 // 24
    assert averages["openai/gpt-4o-mini"] is None
    assert "your own keys’" in show(bob).text
    assert " 2 " in show(bob).text


def offers(organization: Organization) -> list[prices.Offer]:
    from billing.reports.balance import balance_of
    from billing.reports.usage import Chosen

    account_id = organization.account_id
    models = [model.listed() for model in MODELS]
    return prices.offers(
        organization, models, balance_of(account_id), Chosen(account_id)
    )


@pytest.mark.parametrize("is_learned", [False, True], ids=("tariff", "learned"))
def test_the_calculator_says_what_a_call_holds(
    organization: Organization, alice: User, is_learned: bool
) -> None:
    units = Units(prompt_tokens=2000, completion_tokens=9000)
    tariff = tariffs.current()
    rates = rates_for(tariff, CHAT, MODEL)
    shape = lessons.shape_of(lessons.mark_of(rates), units)
    if is_learned:
        LearnedBound.objects.create(
            operation=CHAT,
            model=MODEL,
            shape=shape,
            size=lessons.size_of(rates.cost_micros(units)),
            factor_ppb=3 * lessons.ONE,
            lessons=1,
            is_free=False,
            learned_at=clock.now(),
        )
    page = show(
        alice, offer=f"{CHAT} {MODEL}", tokens_in="2000", tokens_out="9000", images=""
    )
    # As a call with these units is priced by the gateway itself.
    caches.tariff._tariff = tariff
    call = Call(CHAT, "", MODEL, b"", units, units)
    terms = terms_of(call, rates)
    assert terms.shape == shape
    expected = terms.tariff_micros(units) * (3 if is_learned else 1)
    if terms.cautious_micros(units) and not is_learned:
        expected = max(expected, terms.cautious_micros(units))
    from portal.templatetags.tollgate import credits_of

    assert f"Held at first, at most {credits_of(expected)}" in page.text


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("tokens_in", "-1", "greater than or equal to 0"),
        ("tokens_out", "many", "whole number"),
        ("images", "101", "less than or equal to 100"),
        ("size", "8x8", "valid choice"),
        ("offer", "dance.steps nobody", "valid choice"),
    ],
)
def test_what_makes_no_sense_is_said_beside_its_field(
    organization: Organization, alice: User, field: str, value: str, said: str
) -> None:
    page = show(alice, **{"offer": f"{CHAT} {MODEL}", field: value})
    assert said in page.text
    assert "Held at first" not in page.text


def test_whom_a_model_is_not_allowed_is_counted(
    organization: Organization, alice: User
) -> None:
    key, _ = make_key(organization, alice)
    rules.set_rules(organization, actor=OPERATOR, key=key, models=["openai/*"])
    found = {each.model: each.refused_to for each in offers(organization)}
    assert (found[MODEL], found["fal-ai/whisper"]) == ("", "1 key")
    rules.set_rules(organization, actor=OPERATOR, models=["fal-ai/*"])
    found = {each.model: each.refused_to for each in offers(organization)}
    assert found[MODEL] == "everybody"


def test_a_catalogue_that_never_came_is_said(
    organization: Organization, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def none(_: Catalogue) -> list[dict[str, Any]]:
        raise upstream_refusals.no_model_list()

    monkeypatch.setattr(Catalogue, "models", none)
    assert "Look again in a minute" in show(alice).text


def test_models_without_a_price_and_hostile_names_are_shown(
    organization: Organization, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def odd(_: Catalogue) -> list[dict[str, Any]]:
        return [{"id": "<x-pwned>", "category": "chat"}, {"name": 5}, {"id": "new"}]

    monkeypatch.setattr(Catalogue, "models", odd)
    Tariff.objects.filter(operation=CHAT).delete()
    page = show(alice)
    assert "<x-pwned>" in page.text
    assert not pages.misplaced(page)


def test_who_may_open_it(
    organization: Organization, alice: User, bob: User, mallory: User
) -> None:
    url = reverse("models", args=["acme"])
    people = {
        role: make_member(organization, f"{role}@example.com", role)
        for role in (Role.ADMIN, Role.BILLING, Role.VIEWER)
    }
    for user in (alice, bob, *people.values()):
        show(user)
    client = Client()
    assert client.get(url).status_code == 302
    client.force_login(mallory)
    assert client.get(url).status_code == 404
