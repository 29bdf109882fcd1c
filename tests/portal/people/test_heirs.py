"""Keys whose holder leaves: handed over with their secret, or refused at once.

Costs 2 s.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import pytest
from django.utils import timezone

from billing import envelopes
from billing.budgets import Subject
from billing.models import UsageRecord
from billing.models.budget import Level, Window
from billing.values.ids import new_id
from billing.values.orders import CREDIT
from portal.models import ApiKey, AuditEvent, Membership, Organization, Role, User
from portal.tenants import (
    budgets,
    heirs,
    keys,
    members,
    project_members,
    projects,
    service_accounts,
)
from portal.tenants.errors import NotAllowed, RevokedKey, UnfitHeir
from portal.tenants.keys import Holder
from tests.support.cast import OPERATOR, actor_of, make_call, make_key, make_member
from tests.support.ledger.payers import wrong_in_the_ledger


@dataclass
class Scene:
    """Bob, a developer, holds two keys; Carol and a robot could have them."""

    organization: Organization
    bob: Membership
    carol: Membership
    kept: ApiKey
    secret: str
    other: ApiKey
    other_secret: str


@pytest.fixture
def scene(organization: Organization, bob: User) -> Scene:
    carol = make_member(organization, "carol@example.com", Role.DEVELOPER)
    return Scene(
        organization,
        organization.memberships.get(user=bob),
        organization.memberships.get(user=carol),
        *make_key(organization, bob, "kept"),
        *make_key(organization, bob, "other"),
    )


def test_a_removed_members_keys_go_to_their_heirs_or_are_refused(
    scene: Scene, alice: User
) -> None:
    for name, micros in ((scene.bob, 50), (scene.carol, 4)):
        budgets.set_limit(
            scene.organization,
            Subject(Level.MEMBER, holder_id=name.unit_id),
            Window.MONTH,
            micros * CREDIT,
            counts_spend_so_far=True,
            actor=OPERATOR,
        )
    make_call(scene.kept, charged=20)
    members.remove(scene.bob, actor=actor_of(alice), heirs={scene.kept.pk: scene.carol})
    assert keys.verify(scene.secret).key_id == scene.kept.pk
    with pytest.raises(RevokedKey):
        keys.verify(scene.other_secret)
    make_call(scene.kept, charged=2)
    with pytest.raises(AssertionError, match="BudgetExceeded"):
        make_call(scene.kept, charged=2)  # of Carol's 4: 2 are spent, 4 are asked for
    usage = UsageRecord.objects.filter(spender=scene.kept.spender_id)
    found = usage.order_by("settled_at").values_list("holder_label", "charged_micros")
    assert list(found) == [
        ("bob@example.com", 20 * CREDIT),
        ("carol@example.com", 2 * CREDIT),
    ]
    event = AuditEvent.objects.get(action="api_key.hand_over")
    assert event.detail["before"] == {"holder": "bob@example.com"}
    assert event.detail["after"] == {"holder": "carol@example.com"}
    assert wrong_in_the_ledger() == []


def test_a_service_account_inherits_and_whoever_holds_it_may_change_it(
    scene: Scene, alice: User
) -> None:
    robot = service_accounts.create(scene.organization, "CI", actor=OPERATOR)
    heirs.hand_over(scene.kept, robot, actor=actor_of(alice))
    heirs.hand_over(scene.other, scene.carol, actor=actor_of(alice))
    for key, holder in ((scene.kept, robot), (scene.other, scene.carol)):
        key.refresh_from_db()
        assert keys.holder_of(key) == holder
    with pytest.raises(NotAllowed):
        keys.revoke(scene.other, actor=actor_of(scene.bob.user))
    keys.revoke(scene.other, actor=actor_of(scene.carol.user))
    heirs.hand_over(scene.kept, scene.bob, actor=actor_of(alice))
    scene.kept.refresh_from_db()
    assert scene.kept.service_account is None


def test_both_secrets_of_a_rotated_key_and_its_runs_go_along(
    scene: Scene, alice: User
) -> None:
    run = envelopes.open_envelope(
        UUID(new_id()),
        scene.kept.spender_id,
        10 * CREDIT,
        expires_at=timezone.now() + timedelta(hours=1),
    )
    _, second = keys.rotate(scene.kept, timedelta(hours=1), actor=actor_of(alice))
    members.remove(scene.bob, actor=actor_of(alice), heirs={scene.kept.pk: scene.carol})
    holders = {
        keys.verify(secret).spender_id: scene.carol.unit_id
        for secret in (scene.secret, second)
    }
    assert len(holders) == 2
    assert envelopes.look(run.envelope_id).closed_at is None
    held = heirs.held_by(scene.carol)
    assert [key.pk for key in heirs.of_people(held)] == [scene.kept.pk]


def test_who_cannot_hold_a_key_inherits_none_and_nothing_changes(
    scene: Scene, alice: User, mallory: User
) -> None:
    viewer = make_member(scene.organization, "vera@example.com", Role.VIEWER)
    limited = make_member(scene.organization, "lima@example.com", Role.DEVELOPER)
    gone = make_member(scene.organization, "gone@example.com", Role.DEVELOPER)
    of = scene.organization.memberships
    project_members.limit(of.get(user=limited), [], actor=OPERATOR)
    members.disable(of.get(user=gone), actor=OPERATOR)
    robot = service_accounts.create(scene.organization, "CI", actor=OPERATOR)
    service_accounts.disable(robot, actor=OPERATOR)
    people = [of.get(user=user) for user in (viewer, limited, gone)]
    unfit: list[Holder] = [*people, robot, mallory.memberships.get()]
    for heir in unfit:
        with pytest.raises(UnfitHeir):
            members.remove(
                scene.bob, actor=actor_of(alice), heirs={scene.kept.pk: heir}
            )
    assert of.filter(pk=scene.bob.pk).exists()
    assert keys.verify(scene.secret).key_id == scene.kept.pk
    offered = heirs.candidates(scene.organization, scene.bob)
    assert {str(each.unit.label) for each in offered} == {
        *("alice@example.com", "carol@example.com", "lima@example.com"),
    }


def test_whoever_leaves_gives_nobody_their_keys_and_no_other_key_is_touched(
    scene: Scene, alice: User
) -> None:
    """Who may change any key may; a key that they do not hold is not part of it."""
    with pytest.raises(NotAllowed):
        members.remove(
            scene.bob,
            actor=actor_of(scene.bob.user),
            heirs={scene.kept.pk: scene.carol},
        )
    alices, _ = make_key(scene.organization, alice)
    members.remove(scene.bob, actor=actor_of(alice), heirs={alices.pk: scene.carol})
    alices.refresh_from_db()
    assert keys.holder_of(alices).unit.label == "alice@example.com"


def test_who_loses_a_project_loses_sight_of_their_keys_there(
    scene: Scene, alice: User
) -> None:
    search = projects.create(scene.organization, "Search", actor=actor_of(alice))
    assert search.owner == scene.organization.memberships.get(user=alice)
    made = [
        keys.issue(search, name, actor=actor_of(scene.bob.user))
        for name in ("to the owner", "to carol", "to nobody")
    ]
    default = projects.default_of(scene.organization)
    project_members.limit(
        scene.bob,
        [default],
        actor=actor_of(alice),
        wishes={made[1][0].pk: scene.carol, made[2][0].pk: None},
    )
    held = [key.name for key in heirs.of_people(heirs.held_by(scene.bob))]
    assert held == ["kept", "other"]
    assert keys.holder_of(fresh(made[0][0])).unit.label == "alice@example.com"
    assert keys.holder_of(fresh(made[1][0])).unit.label == "carol@example.com"
    with pytest.raises(RevokedKey):
        keys.verify(made[2][1])
    assert keys.verify(made[0][1]).key_id == made[0][0].pk


def test_where_a_project_has_no_owner_the_keys_are_revoked(
    scene: Scene, alice: User
) -> None:
    search = projects.create(scene.organization, "Search", actor=OPERATOR)
    project_members.limit(scene.bob, [search], actor=actor_of(alice))
    _, secret = keys.issue(search, "k", actor=actor_of(scene.bob.user))
    project_members.leave(search, scene.bob, actor=actor_of(alice))
    with pytest.raises(RevokedKey):
        keys.verify(secret)


def fresh(key: ApiKey) -> ApiKey:
    return ApiKey.objects.select_related("spender", "service_account").get(pk=key.pk)
