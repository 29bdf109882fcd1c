"""Forms with fields that the page does not offer, sent by everybody who is no owner:
nobody becomes more than they are, and nothing moves between organizations.

Costs 5 s: every form of every page, in one world; each is rolled back.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from pytest_django import DjangoDbBlocker

from billing.models import Account
from portal.models import (
    ApiKey,
    AuditEvent,
    Invitation,
    Membership,
    Organization,
    Role,
    User,
)
from tests.support.portal.forms import Form, forms_of
from tests.support.portal.neighbours import Neighbour, all_routes, make_neighbour

pytestmark = pytest.mark.once

WHO = ("admin", "developer", "billing", "viewer")


@pytest.fixture(scope="module")
def both(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[tuple[Neighbour, Neighbour]]:
    with django_db_blocker.unblock(), transaction.atomic():
        yield make_neighbour("zzours"), make_neighbour("zztheirs")
        transaction.set_rollback(True)


def more_than_asked(theirs: Neighbour, person: User) -> dict[str, Any]:
    """What an attacker adds: names of columns, here and in the ledger."""
    foreign = theirs.organization
    return {
        "role": Role.OWNER,
        "is_staff": "on",
        "is_superuser": "on",
        "is_active": "on",
        "user": person.pk,
        "user_id": person.pk,
        "organization": foreign.pk,
        "organization_id": foreign.pk,
        "slug": foreign.slug,
        "account": foreign.account_id,
        "account_id": foreign.account_id,
        "project": theirs.objects["project"],
        "projects": theirs.objects["project"],
        "holder": f"member-{theirs.objects['member']}",
        "unit": 1,
        "spender": 1,
        "spender_id": 1,
        "created_by": theirs.people["owner"].pk,
        "price_factor_ppm": "1",
        "balance_micros": "9" * 12,
        "bootstrapped_as": "Theirs",
        "requires_mfa": "",
        "revoked_at": "",
        "disabled_at": "",
        "pk": theirs.objects["key"],
        "id": theirs.objects["key"],
    }


def standing(ours: Neighbour, theirs: Neighbour) -> dict[str, Any]:
    """What nobody of `WHO` may change by any form."""
    of_ours = Membership.objects.filter(organization=ours.organization)
    owners = of_ours.filter(role=Role.OWNER).order_by("pk")
    both = (ours.organization.pk, theirs.organization.pk)
    accounts = Account.objects.filter(organization__in=both).order_by("pk")
    return {
        "owners": list(owners.values_list("user")),
        "offers": Invitation.objects.filter(role=Role.OWNER).count(),
        "staff": User.objects.filter(is_staff=True).count(),
        "super": User.objects.filter(is_superuser=True).count(),
        "accounts": list(accounts.values("id", "balance_micros", "price_factor_ppm")),
        "whose": list(
            Organization.objects.filter(pk__in=both)
            .order_by("pk")
            .values("pk", "account", "bootstrapped_as")
        ),
        "done there": AuditEvent.objects.filter(
            organization=theirs.organization
        ).count(),
        "keys there": ApiKey.objects.filter(organization=theirs.organization).count(),
        "members there": theirs.organization.memberships.count(),
        "mixed": ApiKey.objects.exclude(organization_id__in=both).count(),
    }


@pytest.mark.parametrize("who", WHO)
def test_no_form_makes_anybody_more_than_they_are(
    both: tuple[Neighbour, Neighbour], who: str
) -> None:
    ours, theirs = both
    person = ours.people[who]
    browser = Client()
    browser.force_login(person)
    before, role = standing(ours, theirs), Role(who)
    sent = 0
    for route in all_routes():
        url = route.url(ours.objects)
        for form in forms_found(browser, url):
            with transaction.atomic():
                send(browser, url, form, more_than_asked(theirs, person))
                asked = f"{who}: {form.action or url} {sorted(form.fields)}"
                assert standing(ours, theirs) == before, asked
                own = Membership.objects.filter(user=person)
                found = own.filter(organization=ours.organization).first()
                assert found is None or found.role == role, asked
                transaction.set_rollback(True)
            sent += 1
    assert sent > 20


def forms_found(browser: Client, url: str) -> list[Form]:
    answer = browser.get(url)
    is_page = answer.headers.get("Content-Type", "").startswith("text/html")
    if answer.status_code != 200 or answer.streaming or not is_page:
        return []
    return [form for form in forms_of(answer.content.decode()) if form.method == "post"]


def send(browser: Client, url: str, form: Form, more: dict[str, Any]) -> None:
    """What it holds, something in each empty field, and more."""
    typed = dict.fromkeys(form.empty, "1")
    data = form.fields | typed | more
    cookies = deepcopy(browser.cookies)
    answer = browser.post(form.action or url, data)
    assert answer.status_code < 500
    browser.cookies = cookies
