"""The page of service accounts."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from portal.models import ApiKey, Organization, ServiceAccount, User
from portal.tenants import keys, service_accounts
from portal.tenants.errors import DisabledHolder
from tests.support.cast import OPERATOR, make_organization
from tests.support.portal import pages

pytestmark = pytest.mark.once
URL = "/o/acme/settings/service-accounts/"


@pytest.fixture
def as_alice(client: Client, alice: User, organization: Organization) -> Client:
    client.force_login(alice)
    return client


def test_one_is_made_gets_a_key_is_renamed_and_disabled(
    as_alice: Client, organization: Organization
) -> None:
    assert as_alice.post(URL, {"name": "CI"}).status_code == 302
    account = ServiceAccount.objects.get()
    form = {
        "name": "deploy",
        "project": organization.projects.get().pk,
        "holder": account.pk,
        "ticket": "t",
    }
    secret = as_alice.post("/o/acme/keys/new", form).context["secret"]
    key = ApiKey.objects.get()
    assert key.service_account == account

    def change(act: str, **more: str) -> Any:
        return as_alice.post(f"{URL}{account.pk}", {"act": act, **more}, follow=True)

    assert (
        "called Build server" in pages.read(change("rename", name="Build server")).text
    )
    assert "Build server 1" in pages.read(as_alice.get(URL)).text
    for _ in range(2):
        assert "its keys are refused" in pages.read(change("disable")).text
    with pytest.raises(DisabledHolder):
        keys.verify(secret)
    assert "its keys work again" in pages.read(change("enable")).text
    assert keys.verify(secret).key_id == key.pk
    assert change("explode").status_code == 404


@pytest.mark.parametrize(
    "name", ["", "a\x07b", "x" * 10_000, "CI"], ids=["no", "control", "long", "taken"]
)
def test_a_wrong_name_is_said_beside_its_field(
    as_alice: Client, organization: Organization, name: str
) -> None:
    account = service_accounts.create(organization, "CI", actor=OPERATOR)
    other = service_accounts.create(organization, "Other", actor=OPERATOR)
    for url, more in ((URL, {}), (f"{URL}{other.pk}", {"act": "rename"})):
        answer = as_alice.post(url, {"name": name, **more})
        assert answer.status_code == 200
        assert "errorlist" in answer.content.decode()
    other.refresh_from_db()
    assert (other.name, ServiceAccount.objects.count()) == ("Other", 2)
    assert account.disabled_at is None


def test_a_foreign_one_is_missing(as_alice: Client, bob: User) -> None:
    strange = make_organization("Strange", bob)
    theirs = service_accounts.create(strange, "CI", actor=OPERATOR)
    for act in ("disable", "rename"):
        form = {"act": act, "name": "mine"}
        assert as_alice.post(f"{URL}{theirs.pk}", form).status_code == 404
    theirs.refresh_from_db()
    assert (theirs.name, theirs.disabled_at) == ("CI", None)
