"""The audit trail's chains: gapless, append-only, and what was tampered with is named.

Costs 2 s: every test rolls back.
"""

from __future__ import annotations

import io
import json
from hashlib import sha256
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from portal import tasks
from portal.models import AuditChain, AuditEvent, Organization, User
from portal.tenants import audit, chain
from tests.support.cast import (
    OPERATOR,
    actor_of,
    make_organization,
    make_user,
)
from tests.support.portal.trails import TABLE, run, settle, unguard

migration = import_module("portal.migrations.0015_audit_chain")


def findings() -> list[tuple[str, int, int | None]]:
    settle()
    return [
        (wrong.code, wrong.organization_id, wrong.number)
        for wrong in chain.wrong_everywhere()
    ]


@pytest.fixture
def trail(organization: Organization, alice: User, mallory: User) -> Organization:
    """Acme with five events, beside others' and some of no organization."""
    for count in range(4):
        audit.record(
            "test.act",
            actor=actor_of(alice),
            organization=organization,
            before={"name": "Zoë \U0001f600"},
            after={"count": count, "list": [None, True]},
        )
        audit.record("test.act", actor=OPERATOR, count=count)
    settle()
    return organization


def test_events_are_numbered_without_a_gap_and_chained(trail: Organization) -> None:
    rows = AuditEvent.objects.filter(organization=trail).order_by("id")
    assert [row.number for row in rows] == list(range(1, 6))
    # As anybody computes it from an export, by what the README says.
    reached = ""
    for row in rows:
        content = {
            "action": row.action,
            "actor": row.actor_label,
            "actor_id": row.actor_id,
            "address": row.ip_address,
            "at": row.at.isoformat(timespec="microseconds"),
            "detail": row.detail,
            "organization_id": trail.pk,
            "request_id": "",
            "target": row.target,
        }
        text = json.dumps(
            content, sort_keys=True, separators=(",", ":"), ensure_ascii=False
        )
        digest = sha256(text.encode()).hexdigest()
        reached = sha256(f"{reached}\n{row.number}\n{digest}".encode()).hexdigest()
        assert (row.digest, row.chain) == (digest, reached)
    assert AuditChain.objects.get(id=trail.pk).chain == reached
    assert findings() == []


def test_what_was_rolled_back_leaves_no_gap(trail: Organization) -> None:
    with transaction.atomic():
        audit.record("test.act", actor=OPERATOR, organization=trail)
        transaction.set_rollback(True)
    audit.record("test.act", actor=OPERATOR, organization=trail)
    settle()
    assert AuditEvent.objects.filter(organization=trail, number=6).count() == 1
    assert findings() == []


@pytest.mark.parametrize(
    "statement",
    [
        f"UPDATE {TABLE} SET target = target",
        f"UPDATE {TABLE} SET number = number + 1",
        f"DELETE FROM {TABLE}",
    ],
)
def test_no_row_is_changed_or_deleted(trail: Organization, statement: str) -> None:
    with pytest.raises(DatabaseError, match=f"{TABLE} is append-only"):
        run(statement)


def test_a_row_cannot_be_changed_before_it_is_chained(trail: Organization) -> None:
    audit.record("test.act", actor=OPERATOR, organization=trail)
    with pytest.raises(DatabaseError, match=f"{TABLE} is append-only"):
        run(f"UPDATE {TABLE} SET target = 'x' WHERE target = 'acme'")


OF_ACME = "organization_id = {id} AND number = 3"
TAMPERINGS: dict[str, tuple[str, str]] = {
    "another target": (f"UPDATE {TABLE} SET target = 'x' WHERE {OF_ACME}", "CONTENT"),
    "another detail": (f"UPDATE {TABLE} SET detail = '[]' WHERE {OF_ACME}", "CONTENT"),
    "another person": (
        f"UPDATE {TABLE} SET actor_id = NULL WHERE {OF_ACME}",
        "CONTENT",
    ),
    "another address": (
        f"UPDATE {TABLE} SET ip_address = '192.0.2.9' WHERE {OF_ACME}",
        "CONTENT",
    ),
    "another digest": (f"UPDATE {TABLE} SET digest = 'x' WHERE {OF_ACME}", "CONTENT"),
    "another link": (f"UPDATE {TABLE} SET chain = 'x' WHERE {OF_ACME}", "CHAIN"),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_a_changed_row_is_named(trail: Organization, name: str) -> None:
    statement, code = TAMPERINGS[name]
    unguard()
    run(statement.format(id=trail.pk))
    found = findings()
    assert found[0] == (code, trail.pk, 3)
    assert all(number in (3, 4) for _, _, number in found)
    assert tasks.verify_audit() == len(found)  # each night, without anybody's asking


def test_missing_rows_are_noticed_in_the_middle_and_at_the_end(
    trail: Organization,
) -> None:
    unguard()
    run(f"DELETE FROM {TABLE} WHERE {OF_ACME.format(id=trail.pk)}")
    assert findings() == [("GAP", trail.pk, 4)]
    run(f"DELETE FROM {TABLE} WHERE organization_id = {trail.pk} AND number = 5")
    assert findings() == [("GAP", trail.pk, 4), ("END", trail.pk, 5)]


def test_a_row_put_in_by_hand_is_noticed(trail: Organization) -> None:
    """On PostgreSQL it is chained as any other, but nobody wrote its digest."""
    run(
        f"INSERT INTO {TABLE} (organization_id, actor_label, action, target, detail, "
        f"at, request_id, digest, chain) VALUES ({trail.pk}, 'x', 'x', 'x', '{{}}', "
        "'2026-01-01 00:00:00+00:00', '', '', '')"
    )
    code = "CONTENT" if connection.vendor == "postgresql" else "UNCHAINED"
    [(found, whose, _)] = findings()
    assert (found, whose) == (code, trail.pk)


def test_the_migration_chains_what_was_there(trail: Organization) -> None:
    unguard()
    run(f"UPDATE {TABLE} SET digest = '', number = NULL, chain = ''")
    AuditChain.objects.all().delete()
    editor = SimpleNamespace(connection=connection)
    migration.chain_what_is_there(apps, editor)
    assert findings() == []
    assert AuditChain.objects.get(id=trail.pk).number == 5


@pytest.mark.parametrize("detail", [0.5, timezone.now(), {"at": {1, 2}}])
def test_what_could_not_be_hashed_again_is_not_taken(db: None, detail: Any) -> None:
    with pytest.raises(TypeError):
        audit.record("test.act", actor=OPERATOR, detail=detail)


def verified(*options: str) -> tuple[int, str]:
    told = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("verify_audit", *options, stdout=told)
    code = ended.value.code
    assert isinstance(code, int)
    return code, told.getvalue()


def test_the_command_says_what_is_wrong(trail: Organization) -> None:
    code, told = verified("--json")
    report = json.loads(told)
    assert (code, report["ok"]) == (0, True)
    mine = next(each for each in report["chains"] if each["organization"] == "acme")
    assert mine["events"] == 5

    unguard()
    run(f"DELETE FROM {TABLE} WHERE {OF_ACME.format(id=trail.pk)}")
    assert verified()[0] == 1
    assert "GAP event 4 of acme" in verified()[1]
    [finding] = json.loads(verified("--json")[1])["findings"]
    assert (finding["code"], finding["organization"]) == ("GAP", "acme")


def test_what_a_person_does_is_in_the_trail_of_each_of_their_organizations(
    organization: Organization, alice: User, bob: User
) -> None:
    second = make_organization("Second", bob, credits=0)
    loner = make_user("loner@example.com")
    for person in (bob, loner):
        audit.record_of_person("test.act", person, actor=actor_of(person))
    found = AuditEvent.objects.filter(action="test.act").order_by("id")
    assert [(row.organization_id, row.target) for row in found] == [
        (organization.pk, "bob@example.com"),
        (second.pk, "bob@example.com"),
        (None, "loner@example.com"),
    ]
