"""Whom a limit binds, as its row says it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from django.db.models import Q

from billing.models import Spender, Unit
from billing.models.account import UnitKind
from billing.models.budget import Level


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a budget binds: units of the account, or a spender, as its level says."""

    level: Level
    project_id: int | None = None
    holder_id: int | None = None
    spender_id: int | None = None


def limited(subject: Subject) -> Subject:
    """The same, with the first of keys that were rotated one into the next: their
    limits are its own."""
    spender = Spender.objects.filter(id=subject.spender_id or 0).first()
    return replace(subject, spender_id=spender.limited_id) if spender else subject


def terms_of(account_id: int, subject: Subject) -> dict[str, Any]:
    """The columns of a budget that say so. Raises: ValueError."""
    subject = limited(subject)
    project, holder, key = subject.project_id, subject.holder_id, subject.spender_id
    wanted = {
        Level.ORGANIZATION: (False, False, False),
        Level.PROJECT: (True, False, False),
        Level.MEMBER: (False, True, False),
        Level.MEMBER_IN_PROJECT: (True, True, False),
        Level.KEY: (False, False, True),
    }
    given = tuple(each is not None for each in (project, holder, key))
    if wanted.get(subject.level) != given:
        raise ValueError("the level does not say whom it binds")
    units = Unit.objects.filter(account_id=account_id)
    is_project = Q(kind=UnitKind.PROJECT)
    spenders = Spender.objects.filter(account_id=account_id)
    known = (
        project is None or units.filter(is_project, id=project).exists(),
        holder is None or units.filter(~is_project, id=holder).exists(),
        key is None or spenders.filter(id=key).exists(),
    )
    if not all(known):
        raise ValueError("whom it binds is not this account's")
    level = str(subject.level)
    of = (account_id,) if level == Level.ORGANIZATION else (project, holder, key)
    return {
        "level": level,
        "project_id": project,
        "holder_id": holder,
        "spender_id": key,
        "subject": ":".join([level, *(str(each) for each in of if each is not None)]),
    }
