"""Who may change an organization's credits, and that it is written down."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.apps import apps

from billing import amendments
from billing.models import Grant
from billing.values.errors import Refusal
from billing.values.orders import CREDIT
from portal.models import AuditEvent, Organization, Role, User
from portal.operator import corrections
from portal.operator.corrections import Decision, NotFound
from portal.operator.doubts import DoubtStands
from portal.tenants import audit
from portal.tenants.errors import NotAllowed
from tests.support import cast
from tests.support.ledger.operators import why

PEOPLE = ("stranger", *Role.values)
Operation = Callable[[Organization, Decision], Any]


def refund(organization: Organization, decision: Decision) -> Any:
    owner = organization.memberships.get(role=Role.OWNER).user
    key, _ = cast.make_key(organization, owner)
    hold_id = cast.make_call(key)
    return corrections.refund(
        UUID(hold_id), CREDIT, reason=decision.reason, actor=decision.actor
    )


def grant_of(organization: Organization) -> Grant:
    return Grant.objects.get(account_id=organization.account_id, source="purchase")


OPERATIONS: dict[str, Operation] = {
    "credits.credit": lambda it, d: corrections.credit(it.slug, CREDIT, d),
    "credits.debit": lambda it, d: corrections.debit(it.slug, CREDIT, d),
    "credits.clawback": lambda it, d: corrections.clawback(it.slug, CREDIT, d),
    "debt.write_off": lambda it, d: corrections.write_off(it.slug, CREDIT, d),
    "grant.reverse": lambda it, d: corrections.reverse(
        grant_of(it).id, d, recovers_spent=True
    ),
    "call.refund": refund,
}


def decision(actor: audit.Actor = cast.OPERATOR, reason: str = "seen") -> Decision:
    return Decision("decision 1", reason, actor)


def actor_called(who: str, organization: Organization) -> audit.Actor:
    if who == "stranger":
        return cast.actor_of(cast.make_user("stranger@example.com"))
    user = cast.make_member(organization, f"{who}@example.com", Role(who))
    return cast.actor_of(user)


def ledger() -> dict[str, list[dict[str, Any]]]:
    return {
        str(model): list(model._default_manager.order_by("pk").values())
        for model in apps.get_app_config("billing").get_models()
    }


@pytest.mark.once  # who may is no database's business
@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize(
    "action", [each for each in OPERATIONS if each != "call.refund"]
)
def test_only_the_operator_may(
    organization: Organization, action: str, who: str
) -> None:
    actor = actor_called(who, organization)
    before, events = ledger(), AuditEvent.objects.count()
    with pytest.raises(NotAllowed):
        OPERATIONS[action](organization, decision(actor))
    assert (ledger(), AuditEvent.objects.count()) == (before, events)


def test_nor_may_an_owner_refund_a_call(
    organization: Organization, alice: User
) -> None:
    with pytest.raises(NotAllowed):
        refund(organization, decision(cast.actor_of(alice)))


@pytest.mark.parametrize("action", OPERATIONS)
def test_it_is_written_down_with_its_reason(
    organization: Organization, action: str
) -> None:
    if action == "debt.write_off":
        owed = 1010 * CREDIT
        amendments.clawback(organization.account_id, owed, why())
    told = OPERATIONS[action](organization, decision(reason=" the bank's letter "))

    [event] = AuditEvent.objects.filter(action=action)
    assert (event.organization, event.actor_label) == (organization, "test")
    assert (event.target, event.detail["reason"]) == (told["id"], "the bank's letter")
    assert told["organization"] == organization.slug
    assert told["repeat"] is False


def test_what_is_repeated_is_written_down_once(organization: Organization) -> None:
    first = corrections.credit(organization.slug, CREDIT, decision())
    again = corrections.credit(organization.slug, CREDIT, decision())

    assert again == first | {"repeat": True}
    assert AuditEvent.objects.filter(action="credits.credit").count() == 1


def test_it_tells_what_moved_and_what_is_owed(organization: Organization) -> None:
    told = corrections.clawback(organization.slug, 1010 * CREDIT, decision())
    assert {name: told[name] for name in told if name.endswith("credits")} == {
        "moved_credits": "-1000",
        "owed_credits": "10",
        "available_credits": "0",
        "debt_credits": "10",
    }


@pytest.mark.parametrize("reason", ["", " ", "a\nb", "x" * 501, "\0"])
def test_a_reason_that_cannot_be_kept_is_refused(
    organization: Organization, reason: str
) -> None:
    before = ledger()
    for operation in (OPERATIONS["credits.credit"], OPERATIONS["grant.reverse"]):
        with pytest.raises(DoubtStands):
            operation(organization, decision(reason=reason))
    assert ledger() == before


def test_what_is_not_there_is_named(organization: Organization) -> None:
    with pytest.raises(NotFound, match="'nobody'"):
        corrections.credit("nobody", CREDIT, decision())
    with pytest.raises(NotFound, match="grant_0"):
        corrections.reverse(0, decision(), recovers_spent=False)
    with pytest.raises(NotFound, match="req_0000"):
        corrections.refund(UUID(int=7), CREDIT, reason="seen", actor=cast.OPERATOR)
    with pytest.raises(Refusal, match="only 0 microcredits are owed"):
        corrections.write_off(organization.slug, CREDIT, decision())
    assert not AuditEvent.objects.filter(action__startswith="credits.").exists()
