"""The migrations make exactly the models' tables, and their names say what they do."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import call_command
from django.db import migrations, models
from django.db.migrations.loader import MigrationLoader

from tests.support import sources


def pending_changes() -> str:
    """What `makemigrations` would write; empty when the migrations are complete."""
    output = StringIO()
    try:
        call_command("makemigrations", check=True, dry_run=True, stdout=output)
    except SystemExit:
        return output.getvalue()
    return ""


@pytest.mark.once
@pytest.mark.django_db
def test_models_have_all_their_migrations() -> None:
    assert pending_changes() == ""


@pytest.mark.once
@pytest.mark.django_db
def test_a_changed_model_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    build_graph = MigrationLoader.build_graph

    def with_one_more(loader: MigrationLoader) -> None:
        build_graph(loader)
        # A table that the migrations make and no model has.
        migration = loader.graph.nodes[loader.graph.leaf_nodes("billing")[0]]
        extra = migrations.CreateModel(
            "Planted", [("id", models.AutoField(primary_key=True))]
        )
        monkeypatch.setattr(migration, "operations", [*migration.operations, extra])

    monkeypatch.setattr(MigrationLoader, "build_graph", with_one_more)

    assert "Planted" in pending_changes()


def test_migrations_are_named_after_what_they_do() -> None:
    named = [
        sources.name_of(path)
        for path in sources.python_files(*sources.LAYERS)
        if path.parent.name == "migrations" and "auto_" in path.name
    ]
    assert named == []
