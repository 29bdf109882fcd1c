"""All that is stored, to see whether something was changed."""

from __future__ import annotations

from typing import TypeAlias

from django.apps import apps
from django.db import connection, models

Rows: TypeAlias = dict[str, list[str]]


def everything(*, but: frozenset[type[models.Model]] = frozenset()) -> Rows:
    """Every row of every table, without the cost of a query of each model."""
    found = {}
    with connection.cursor() as cursor:
        for model in apps.get_models():
            if model in but:
                continue
            cursor.execute(f"SELECT * FROM {model._meta.db_table}")
            found[model._meta.db_table] = sorted(map(repr, cursor.fetchall()))
    return found
