"""`manage.py rules`: limits of rate and allow-lists, set by a script."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from portal.models import Organization, Rules, User
from portal.tenants import keys
from tests.support.cast import make_key

pytestmark = pytest.mark.once


def run(*words: str) -> str:
    out = StringIO()
    call_command("rules", "--organization", "acme", *words, stdout=out)
    return out.getvalue()


def rows(*words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run("--json", *words))
    return found


def test_each_level_is_set_by_its_name(organization: Organization, alice: User) -> None:
    _, secret = make_key(organization, alice)
    assert "no limits of rate" in run()
    run("--level", "organization", "--requests", "600")
    run("--level", "project", "--name", "Default", "--tokens", "9000")
    run("--level", "member", "--name", "alice@example.com", "--calls", "8")
    found = rows(
        *("--level", "key", "--name", "laptop", "--models", "openai/*,m"),
        *("--networks", "192.0.2.0/24", "--operations", "chat.completions"),
    )

    assert [(row["level"], row["name"]) for row in found] == [
        ("organization", ""),
        ("project", "Default"),
        ("member", "alice@example.com"),
        ("key", "laptop"),
    ]
    assert found[0]["requests"] == "600"
    assert found[0]["models"] == "*"
    assert found[3]["models"] == "openai/*,m"
    assert len(keys.verify(secret).rules) == 4


def test_what_is_not_said_is_not_limited(
    organization: Organization, alice: User
) -> None:
    run("--level", "organization", "--requests", "600", "--models", "m")
    [row] = rows("--level", "organization", "--tokens", "5")
    assert (row["requests"], row["tokens"], row["models"]) == ("-", "5", "*")


@pytest.mark.parametrize(
    "words",
    [
        ["--requests", "5"],
        ["--name", "laptop"],
        ["--level", "key", "--name", "nobody", "--requests", "5"],
        ["--level", "organization", "--name", "acme", "--requests", "5"],
        ["--level", "organization", "--requests", "0"],
        ["--level", "organization", "--requests", "-1"],
        ["--level", "organization", "--requests", "many"],
        ["--level", "organization", "--networks", "home"],
        ["--level", "organization", "--operations", "everything"],
        ["--level", "organization", "--models", "a,,b"],
        ["--level", "galaxy", "--requests", "5"],
    ],
)
def test_nonsense_is_refused(
    organization: Organization, alice: User, words: list[str]
) -> None:
    make_key(organization, alice)
    with pytest.raises(CommandError):
        run(*words)
    assert not Rules.objects.exists()


def test_an_unknown_organization_is_refused(db: None) -> None:
    with pytest.raises(CommandError, match="slug"):
        call_command("rules", "--organization", "nobody")
