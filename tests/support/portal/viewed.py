"""What there is to do with saved views, keys' rights and endpoints, for the
table of policy."""

from __future__ import annotations

from typing import Any

from portal.models import Organization, Role
from portal.tenants import key_rights, saved_views
from tests.support.cast import actor_of
from tests.support.portal.noticed import OF_NOTICES


def save(organization: Organization, **more: Any) -> Any:
    return saved_views.save(organization, "mine", "by=key", **more)


def own(scene: Any) -> Any:
    return lambda actor: save(scene.organization, is_shared=False, actor=actor)


def shared(scene: Any) -> Any:
    return lambda actor: save(scene.organization, is_shared=True, actor=actor)


def anothers(scene: Any) -> Any:
    view = save(scene.organization, is_shared=True, actor=actor_of(scene.owner))
    return lambda actor: saved_views.delete(view, actor=actor)


def rights(scene: Any) -> Any:
    both = {"sees_balance": True, "sees_project": True}
    return lambda actor: key_rights.give(scene.key, actor=actor, **both)


# operation: what it needs beforehand, and who may carry it out
MANAGERS = ("owner", "admin", "operator")
OF_VIEWS = {
    "save a view": (own, tuple(Role.values)),
    "share a view": (
        shared,
        tuple(each for each in Role.values if each != "developer"),
    ),
    "delete what another shares": (anothers, MANAGERS),
    "give a key rights": (rights, MANAGERS),
    **OF_NOTICES,
}
