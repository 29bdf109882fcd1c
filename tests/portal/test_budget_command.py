"""`manage.py budget`, as a script uses it."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from billing.models import Budget
from billing.values.orders import CREDIT
from portal.models import AuditEvent, Organization, Rules, User
from portal.tenants import key_format, runs
from portal.tenants.runs import Asking, Wanted
from tests.support.cast import make_call, make_key

pytestmark = pytest.mark.once


def run(*options: str) -> list[dict[str, Any]]:
    out = StringIO()
    call_command("budget", "--organization=acme", "--json", *options, stdout=out)
    found: list[dict[str, Any]] = json.loads(out.getvalue())
    return found


def set_one(level: str, name: str, *more: str) -> dict[str, Any]:
    named = [f"--name={name}"] if name else []
    [row] = run(f"--level={level}", *named, "--window=day", "--credits=2.5", *more)
    return row


@pytest.mark.parametrize(
    ("level", "name", "label"),
    [
        ("organization", "", ""),
        ("project", "Default", "Default"),
        ("project", "default", "Default"),
        ("member", "alice@example.com", "alice@example.com"),
        ("key", "laptop", "laptop"),
    ],
)
def test_a_limit_is_set_on_each_level(
    organization: Organization, alice: User, level: str, name: str, label: str
) -> None:
    key, _ = make_key(organization, alice)
    make_call(key, charged=1)
    row = set_one(level, name)
    assert (row["level"], row["name"], row["window"]) == (level, label, "day")
    assert (row["limit_credits"], row["used_credits"]) == ("2.5", "1")
    assert row["left_credits"] == "1.5"
    event = AuditEvent.objects.get(action="budget.set")
    assert event.actor_label == "manage.py budget"


def test_it_may_begin_from_now_and_be_removed(
    organization: Organization, alice: User
) -> None:
    key, _ = make_key(organization, alice)
    make_call(key, charged=1)
    row = set_one("organization", "", "--from-now", "--model=openai/*")
    assert (row["used_credits"], row["model"]) == ("0", "openai/*")
    assert run(f"--remove={row['id']}") == []


def test_it_lists_for_people(organization: Organization) -> None:
    out = StringIO()
    call_command("budget", "--organization=acme", stdout=out)
    assert out.getvalue().strip() == "acme has no limits."
    set_one("organization", "")
    out = StringIO()
    call_command("budget", "--organization=acme", stdout=out)
    assert "limit_credits" in out.getvalue()
    assert "2.5" in out.getvalue()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--organization=nobody"], "no organization"),
        (["--level=project", "--window=day", "--credits=1"], "--name"),
        (["--level=organization", "--name=x", "--window=day", "--credits=1"], "--name"),
        (["--level=project", "--name=x", "--window=day", "--credits=1"], "no project"),
        (["--level=member", "--name=x", "--window=day", "--credits=1"], "no member"),
        (["--level=key", "--name=x", "--window=day", "--credits=1"], "no key"),
        (["--level=organization", "--window=day"], "--credits"),
        (["--window=day", "--credits=1"], "--level"),
        (["--level=organization", "--credits=1"], "--window"),
        *(
            (["--level=organization", "--window=day", f"--credits={amount}"], words)
            for amount, words in (
                *(("0", "amount"), ("-1", "amount"), ("1.0000001", "amount")),
                *(("nan", "amount"), ("true", "amount"), ("9999999999", "amount")),
                ("1e3", "amount"),
            )
        ),
        (["--level=galaxy"], "invalid choice"),
        (["--window=year"], "invalid choice"),
        (
            ["--level=organization", "--window=day", "--credits=1", "--model=a,,b"],
            "pattern",
        ),
        (["--remove=7"], "no such limit"),
    ],
)
def test_bad_input_changes_nothing(
    organization: Organization, options: list[str], words: str
) -> None:
    if not options[0].startswith("--organization"):
        options = ["--organization=acme", *options]
    with pytest.raises(CommandError, match=words):
        call_command("budget", *options, stdout=StringIO())
    assert run() == []


def test_a_runs_key_of_the_same_name_is_not_meant(
    organization: Organization, alice: User
) -> None:
    key, _ = make_key(organization, alice)
    for label in ("laptop", "nightly"):
        wanted = Wanted(CREDIT, timezone.now() + timedelta(hours=1), label)
        runs.open_run(wanted, uuid4(), key_format.generate(), asking=Asking(key.id))
    row = set_one("key", "laptop")
    assert Budget.objects.get(id=row["id"]).spender_id == key.spender_id
    call_command(
        *("rules", "--organization=acme", "--level=key", "--name=laptop"),
        *("--requests=5",),
        stdout=StringIO(),
    )
    assert Rules.objects.get().api_key == key
    with pytest.raises(CommandError, match="no key"):
        set_one("key", "nightly")


def test_two_keys_of_a_name_are_refused(
    organization: Organization, alice: User
) -> None:
    for _ in range(2):
        make_key(organization, alice)
    with pytest.raises(CommandError, match="more than one"):
        set_one("key", "laptop")
