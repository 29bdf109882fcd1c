"""Who is mailed what, once, and that a mail server may be away."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core import mail as outgoing
from django.utils import timezone
from pytest_django import Settings

from billing.budgets import Subject, set_limit
from billing.models import Event
from billing.models.budget import Level, Window
from billing.values.orders import CREDIT
from portal.models import MailState, NoticeMail, Organization, Role, User
from portal.notices import alerts, dispatch, mails
from portal.notices.alerts import Setting
from portal.notices.watching import rounds
from portal.tenants import budgets
from portal.tenants.audit import Actor
from tests.support.cast import make_key, make_member
from tests.support.ledger.clocks import Clock
from tests.support.ledger.payers import Payer


def sent() -> list[tuple[str, str]]:
    dispatch.dispatch_due()
    mails.send_due()
    return [(message.to[0], str(message.subject)) for message in outgoing.outbox]


@pytest.fixture
def mailbox(settings: Settings) -> None:
    settings.MAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    outgoing.outbox.clear()


def test_mails_go_to_those_whose_business_it_is_once(
    organization: Organization, emit: Callable[..., Event], mailbox: None, alice: User
) -> None:
    for role in (Role.ADMIN, Role.BILLING, Role.DEVELOPER, Role.VIEWER):
        make_member(organization, f"{role}@example.com", role)
    emit("balance.low", available_micros=CREDIT, runway_days=2)
    emit("key.created")  # an event, and no alert
    first = sent()
    assert [address for address, _ in first] == [alice.email, "billing@example.com"]
    assert {subject for _, subject in first} == {
        f"{organization.name}: Credits run low"
    }
    assert "1 credits are available." in str(outgoing.outbox[0].body)
    assert sent() == first


def test_who_turned_it_off_is_not_told(
    organization: Organization,
    emit: Callable[..., Event],
    mailbox: None,
    owner: Actor,
) -> None:
    off = Setting(is_on=False)
    assert alerts.change(organization, "balance", off, actor=owner)
    assert not alerts.change(organization, "balance", off, actor=owner)
    emit("balance.low")
    assert sent() == []


def test_a_mail_server_that_is_away_is_asked_again(
    organization: Organization,
    emit: Callable[..., Event],
    mailbox: None,
    settings: Settings,
    clock: Clock,
) -> None:
    settings.MAIL_BACKEND = "no.such.Backend"
    emit("balance.low")
    assert sent() == []
    settings.MAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert sent() == []
    clock.advance(seconds=61)
    assert len(sent()) == 1
    assert NoticeMail.objects.get().state == MailState.SENT


def test_nobody_is_flooded(
    organization: Organization, emit: Callable[..., Event], mailbox: None
) -> None:
    for number in range(mails.A_DAY_MAX + 20):
        emit("key.expiring", key=str(number), name="k", days=10, expires_on="soon")
    assert len(sent()) == mails.A_DAY_MAX


def test_who_may_grant_it_is_told_who_asks_for_more(
    organization: Organization, alice: User, owner: Actor, mailbox: None
) -> None:
    asking = make_member(organization, "asks@example.com", Role.ADMIN)
    budget = set_limit(
        organization.account_id,
        Subject(Level.ORGANIZATION),
        Window.MONTH,
        CREDIT,
        counts_spend_so_far=True,
    )
    budgets.ask(
        organization,
        budget.id,
        5 * CREDIT,
        until=timezone.now() + timedelta(days=1),
        reason="a demo",
        actor=Actor(asking, asking.email),
    )
    assert [address for address, _ in sent()] == [alice.email]
    assert "asks@example.com asks for 5 credits more" in str(outgoing.outbox[0].body)


@pytest.mark.parametrize("level", [Level.PROJECT, Level.KEY])
def test_whose_budget_it_is_is_told_too(
    organization: Organization, level: Level, mailbox: None
) -> None:
    """Who answers for a limited project, and who holds a limited key, whatever their
    role."""
    dev = make_member(organization, "dev@example.com", Role.DEVELOPER)
    member = organization.memberships.get(user=dev)
    key, _ = make_key(organization, dev)
    key.project.owner = member
    key.project.save()
    subject = (
        Subject(level, project_id=key.project.unit_id)
        if level == Level.PROJECT
        else Subject(level, spender_id=key.spender_id)
    )
    limit = 10 * CREDIT
    set_limit(
        *(organization.account_id, subject, Window.MONTH, limit),
        counts_spend_so_far=True,
    )
    payer = Payer(organization.account_id, key.spender_id)
    payer.settle(payer.hold(9 * CREDIT), 9 * CREDIT)
    rounds.look(organization)
    told = {address for address, subject in sent() if "budget" in subject.lower()}
    assert "dev@example.com" in told
