"""Where the cost of a project or a key belongs: a cost centre and tags, which exports
carry. A key's go before its project's; calls never name any."""

from __future__ import annotations

import unicodedata

from django.db import transaction

from portal.models import ApiKey, CostLabel, Project
from portal.models.cost_label import CENTER_MAX
from portal.tenants import audit, names, policy
from portal.tenants.errors import InvalidLabel
from portal.tenants.roles import Permission

TAGS_MAX = 20
NAME_MAX, VALUE_MAX = 64, 200


def of_project(project: Project) -> tuple[str, dict[str, str]]:
    return _read(CostLabel.objects.filter(project=project).first())


def of_key(key: ApiKey) -> tuple[str, dict[str, str]]:
    return _read(CostLabel.objects.filter(key=key).first())


def _read(found: CostLabel | None) -> tuple[str, dict[str, str]]:
    return (found.cost_center, found.tags) if found else ("", {})


@transaction.atomic
def set_of_project(
    project: Project, cost_center: str, tags: dict[str, str], *, actor: audit.Actor
) -> bool:
    """True if that is new. Raises: NotAllowed, InvalidLabel."""
    policy.require(actor, project.organization_id, Permission.MANAGE_PROJECTS)
    row, _ = CostLabel.objects.select_for_update().get_or_create(
        project=project, defaults={"organization": project.organization}
    )
    return _set(row, "project.set_costs", project.slug, cost_center, tags, actor)


@transaction.atomic
def set_of_key(
    key: ApiKey, cost_center: str, tags: dict[str, str], *, actor: audit.Actor
) -> bool:
    """True if that is new. Raises: NotAllowed, InvalidLabel."""
    policy.require_key_change(actor, key)
    row, _ = CostLabel.objects.select_for_update().get_or_create(
        key=key, defaults={"organization": key.organization}
    )
    return _set(row, "api_key.set_costs", key.hint, cost_center, tags, actor)


def _set(
    row: CostLabel,
    action: str,
    target: str,
    cost_center: str,
    tags: dict[str, str],
    actor: audit.Actor,
) -> bool:
    center, tags = _center(cost_center), _tags(tags)
    before = {"cost_center": row.cost_center, "tags": row.tags}
    after = {"cost_center": center, "tags": tags}
    if before == after:
        return False
    row.cost_center, row.tags = center, tags
    row.save()
    audit.record(
        action,
        actor=actor,
        organization=row.organization,
        target=target,
        before=before,
        after=after,
    )
    return True


def _center(text: str) -> str:
    return _clean(text, CENTER_MAX, "A cost centre") if text.strip() else ""


def _tags(tags: dict[str, str]) -> dict[str, str]:
    if len(tags) > TAGS_MAX:
        raise InvalidLabel(f"At most {TAGS_MAX} tags.")
    return {
        _clean(name, NAME_MAX, "A tag's name"): _clean(value, VALUE_MAX, "A tag")
        for name, value in sorted(tags.items())
    }


def _clean(text: str, most: int, what: str) -> str:
    found = unicodedata.normalize("NFC", text).strip()
    if not 0 < len(found) <= most:
        raise InvalidLabel(f"{what} has 1 to {most} characters.")
    if any(unicodedata.category(c) in names.REFUSED for c in found):
        raise InvalidLabel(f"{what} cannot contain control or invisible characters.")
    return found


def parse(text: str) -> dict[str, str]:
    """Lines of `name=value`. Raises: InvalidLabel."""
    found = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, equals, value = line.partition("=")
        if not equals or not name.strip() or name.strip() in found:
            raise InvalidLabel("Write each tag once, on a line: name=value.")
        found[name.strip()] = value.strip()
    return found


def written(tags: dict[str, str]) -> str:
    return "\n".join(f"{name}={value}" for name, value in tags.items())
