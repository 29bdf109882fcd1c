"""Each operation writes what it did, and nothing where nothing changed.

Costs 4 s: one world, every operation in a savepoint that is rolled back.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules
from types import FunctionType, ModuleType

import pytest
from django.core.exceptions import ObjectDoesNotExist
from django.db import transaction
from pytest_django import Settings

from billing.values.errors import LedgerError
from portal import documents, notices, operator, tenants
from portal.models import ApiKey, AuditChain, AuditEvent, Organization, User
from portal.tenants.errors import PortalError
from tests.support.cast import make_key
from tests.support.portal import acts
from tests.support.portal.acts import PARTS
from tests.support.portal.acts_of_operator import ACTS_OF_THE_OPERATOR
from tests.support.portal.acts_of_people import ACTS_OF_PEOPLE
from tests.support.portal.bought import ACTS_OF_BUYERS
from tests.support.portal.documented import ACTS_OF_DOCUMENTS, PARTS_OF_DOCUMENTS
from tests.support.portal.noticed import ACTS_OF_NOTICES
from tests.support.portal.paid_back import ACTS_OF_PAYING_BACK
from tests.support.portal.rows import Rows, everything
from tests.support.portal.worlds import Act, Do, World

pytestmark = pytest.mark.once

# What an operation says when it does nothing. Of two removals at once the second finds
# nothing to remove.
REFUSALS = (PortalError, LedgerError, ObjectDoesNotExist)
ACTS = (
    acts.ACTS
    | ACTS_OF_BUYERS
    | ACTS_OF_DOCUMENTS
    | ACTS_OF_NOTICES
    | ACTS_OF_PAYING_BACK
    | ACTS_OF_PEOPLE
    | ACTS_OF_THE_OPERATOR
)
# By these an operation knows who acts.
WHO = {"actor", "asking", "decision"}


def operations() -> set[str]:
    """All that somebody does, by the names of their modules and functions."""
    return {
        f"{module.__name__.rpartition('.')[2]}.{name}"
        for package in (tenants, operator, notices, documents)
        for module in modules(package)
        for name, function in vars(module).items()
        if isinstance(function, FunctionType)
        and function.__module__ == module.__name__
        and not name.startswith("_")
        and WHO & set(inspect.signature(function).parameters)
        and module.__name__ != "portal.tenants.policy"
    }


def modules(package: ModuleType) -> Iterator[ModuleType]:
    for found in iter_modules(package.__path__, f"{package.__name__}."):
        module = import_module(found.name)
        if found.ispkg:
            yield from modules(module)
        else:
            yield module


def test_every_operation_is_in_the_table() -> None:
    known = {name.partition(",")[0] for name in ACTS}
    assert sorted(operations() ^ (known | PARTS | PARTS_OF_DOCUMENTS)) == []


@pytest.fixture
def world(organization: Organization, alice: User) -> World:
    return World(organization, alice, make_key(organization, alice)[0])


def state() -> Rows:
    """Every row of every table but the audit's own."""
    return everything(but=frozenset({AuditEvent, AuditChain}))


def written(since: int) -> list[tuple[str, str]]:
    rows = AuditEvent.objects.filter(id__gt=since).order_by("id")
    return list(rows.values_list("action", "target"))


def last() -> int:
    found = AuditEvent.objects.order_by("-id").values_list("id", flat=True).first()
    return found or 0


def test_each_operation_writes_what_it_did_and_nothing_else(
    world: World, settings: Settings
) -> None:
    settings.OWN_ORGANIZATIONS = True
    problems = []
    for name, act in ACTS.items():
        with transaction.atomic():
            problems += [f"{name}: {problem}" for problem in tried(world, act)]
            transaction.set_rollback(True)
        ApiKey.objects.get(pk=world.key.pk)
        world.organization.refresh_from_db()
    assert not problems, "\n".join(problems)


def tried(world: World, act: Act) -> Iterator[str]:
    do = act.prepare(world)
    since = last()
    do()
    found = written(since)
    if sorted(action for action, _ in found) != sorted(act.says):
        yield f"wrote {found}"
    if not all(target for _, target in found):
        yield f"named no target: {found}"
    yield from again(do, act)


def again(do: Do, act: Act) -> Iterator[str]:
    before, since = state(), last()
    try:
        with transaction.atomic():
            do()
    except REFUSALS as refusal:
        if state() != before or written(since):
            yield f"was refused ({refusal}), and changed something"
        return
    if act.makes_another:
        if len(written(since)) != len(act.says):
            yield "made another and did not say so"
    elif state() != before:
        yield "changed something the second time"
    elif written(since):
        yield f"changed nothing the second time, and wrote {written(since)}"
