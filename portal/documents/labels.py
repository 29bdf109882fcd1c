"""What rows of usage do not know: the key's id, and where its cost belongs.

Read once for each key and project that appears, so that a million rows ask for as many
as there are keys.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from billing.models import TopUp
from billing.reports import keys
from portal.models import CostLabel, KeySecret, Organization


def receipt_label(topup: TopUp) -> str:
    """The number of its receipt, and of its invoice in FOCUS: no bare number, which
    readers take for one."""
    return f"R-{topup.receipt_number}"


@dataclass(frozen=True, slots=True)
class Label:
    """Of a key: its id in the portal ("" for none), and its cost."""

    key_id: str
    cost_center: str
    tags: dict[str, str]
    tags_text: str  # JSON


NONE = Label("", "", {}, "")
# More than these are forgotten, and read again.
KNOWN_MAX = 50_000


class Labels:
    """Of one organization. What is said of a key goes before what is said of its
    project."""

    def __init__(self, organization: Organization) -> None:
        self._organization = organization
        found = CostLabel.objects.filter(organization=organization)
        rows: Any = found.values_list(
            "project__unit_id", "key_id", "cost_center", "tags"
        )
        self._of_projects: dict[int, tuple[str, dict[str, str]]] = {}
        self._of_keys: dict[Any, tuple[str, dict[str, str]]] = {}
        for unit_id, key_id, center, tags in rows:
            if key_id is not None:
                self._of_keys[key_id] = (center, tags)
            elif unit_id is not None:
                self._of_projects[unit_id] = (center, tags)
        self._key_ids: dict[int, Any] = {}
        self._made: dict[tuple[int, int], Label] = {}

    def learn(self, spender_ids: Iterable[int]) -> None:
        """Read what is not known of these yet, all at once."""
        missing = {id_ for id_ in spender_ids if id_ not in self._key_ids}
        if not missing:
            return
        if len(self._key_ids) > KNOWN_MAX:
            self._key_ids.clear()
            self._made.clear()
        firsts = keys.first_keys(missing)
        secrets = KeySecret.objects.filter(
            key__organization=self._organization, spender__in=set(firsts.values())
        )
        known = dict(secrets.values_list("spender_id", "key_id"))
        for id_ in missing:
            self._key_ids[id_] = known.get(firsts.get(id_, id_))

    def of(self, spender_id: int, project_id: int | None) -> Label:
        """Of a key that was learnt, in a project of the ledger's id."""
        pair = (spender_id, project_id or 0)
        found = self._made.get(pair)
        if found is None:
            found = self._made[pair] = self._make(*pair)
        return found

    def _make(self, spender_id: int, project_id: int) -> Label:
        key_id = self._key_ids.get(spender_id)
        center, tags = self._of_projects.get(project_id, ("", {}))
        own_center, own_tags = self._of_keys.get(key_id, ("", {}))
        tags = tags | own_tags
        text = orjson.dumps(tags, option=orjson.OPT_SORT_KEYS).decode() if tags else ""
        return Label(str(key_id or ""), own_center or center, tags, text)
