"""Exports by the worker: made once, whole or not at all, for those who may, for a
time; whoever is killed, and wherever."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from billing.models import Event
from portal.documents import exports, files, making, schedules, write
from portal.documents.kinds import Format, Kind
from portal.models import (
    Every,
    Export,
    ExportSchedule,
    ExportState,
    Membership,
    Organization,
    Role,
    User,
)
from portal.tenants.errors import NotAllowed, TooManyExports
from tests.support.cast import actor_of, make_call, make_key, make_member
from tests.support.portal.documented import later, schedule

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.once,
    pytest.mark.usefixtures("own_folder"),
]


@pytest.fixture
def used(organization: Organization, alice: User) -> Organization:
    key, _ = make_key(organization, alice)
    make_call(key)
    return organization


def asked(organization: Organization, user: User, kind: Kind = Kind.USAGE) -> Export:
    today = timezone.now().date()
    return exports.ask(
        organization, kind, Format.CSV, today, today, actor=actor_of(user)
    )


def download(export: Export, user: User | None) -> Any:
    client = Client()
    if user:
        client.force_login(user)
    slug = export.organization.slug
    return client.get(f"/o/{slug}/exports/{export.pk}/download")


def content_of(answer: Any) -> bytes:
    return b"".join(answer.streaming_content)


def test_what_is_asked_for_is_made_offered_and_told(
    used: Organization, alice: User
) -> None:
    export = asked(used, alice)
    assert making.make_due() == 1
    export.refresh_from_db()
    assert (export.state, export.rows) == (ExportState.READY, 1)
    answer = download(export, alice)
    content = content_of(answer)
    assert len(content) == export.bytes == int(answer["Content-Length"])
    path = files.folder() / export.file
    assert write.digest_of(path)[1] == export.sha256 == answer["X-Content-SHA256"]
    event = Event.objects.get(account_id=used.account_id, type="export.ready")
    assert event.data["sha256"] == export.sha256
    assert making.make_due() == 0


def test_only_those_who_may_see_it_fetch_it(
    used: Organization, alice: User, bob: User, mallory: User
) -> None:
    viewer = make_member(used, "viewer@example.com", Role.VIEWER)
    billing = make_member(used, "billing@example.com", Role.BILLING)
    of_usage, of_money = asked(used, alice), asked(used, alice, Kind.LEDGER)
    of_audit = asked(used, alice, Kind.AUDIT)
    making.make_due()
    found = {
        who: tuple(
            download(export, user).status_code
            for export in (of_usage, of_money, of_audit)
        )
        for who, user in {
            "owner": alice,
            "developer": bob,
            "viewer": viewer,
            "billing": billing,
            "stranger": mallory,
            "nobody": None,
        }.items()
    }
    assert found == {
        "owner": (200, 200, 200),
        "developer": (404, 404, 404),
        "viewer": (200, 404, 404),
        "billing": (200, 200, 404),
        "stranger": (404, 404, 404),
        "nobody": (302, 302, 302),
    }
    Membership.objects.filter(user=billing).update(role=Role.VIEWER)
    assert download(of_money, billing).status_code == 404


def test_nobody_asks_for_what_they_may_not_see(used: Organization, bob: User) -> None:
    for kind in Kind:
        with pytest.raises(NotAllowed):
            asked(used, bob, kind)
    assert not Export.objects.exists()


def test_an_organization_keeps_the_worker_only_so_busy(
    used: Organization, alice: User
) -> None:
    for _ in range(exports.UNFINISHED_MAX):
        asked(used, alice)
    with pytest.raises(TooManyExports):
        asked(used, alice)


def test_half_a_file_is_never_offered(used: Organization, alice: User) -> None:
    """The first attempt wrote a part and died; the second one is whole."""
    export = asked(used, alice)
    first = making.claim()
    assert first is not None
    assert first.attempt is not None
    part = files.folder() / f"{export.pk}.{first.attempt.hex}.part"
    part.write_text("half")
    assert making.claim() is None  # it may be alive
    assert download(export, alice).status_code == 404
    with later(seconds=making.STALE.total_seconds() + 1):
        assert making.make_due() == 1
    export.refresh_from_db()
    assert export.attempts == 2
    assert b"half" not in content_of(download(export, alice))
    # What the first one does now, if it was alive after all, is not offered.
    assert not making.make(first)
    assert [path.suffix for path in files.folder().iterdir()] == [".csv"]


def test_what_kills_its_worker_each_time_fails(used: Organization, alice: User) -> None:
    export = asked(used, alice)
    Export.objects.update(attempts=making.ATTEMPTS_MAX)
    assert making.make_due() == 0
    export.refresh_from_db()
    assert export.state == ExportState.FAILED
    assert export.error


def test_files_are_deleted_when_their_time_is_over(
    used: Organization, alice: User
) -> None:
    export = asked(used, alice)
    making.make_due()
    stray = files.folder() / "stray.part"
    stray.write_text("x")
    os.utime(stray, (0, 0))
    assert making.purge() == 1
    with later(days=8):
        assert making.purge() == 1
        assert download(export, alice).status_code == 404
    assert list(files.folder().iterdir()) == []
    export.refresh_from_db()
    assert export.state == ExportState.EXPIRED


# --- schedules -----------------------------------------------------------------------


def test_a_schedule_exports_each_day_once_and_mails_the_link(
    used: Organization, alice: User
) -> None:
    schedule(used, actor=actor_of(alice))
    assert schedules.start_due() == 0  # the day is not over
    with later(days=1):
        assert (schedules.start_due(), schedules.start_due()) == (1, 0)
        making.make_due()
        assert (schedules.tell_due(), schedules.tell_due()) == (1, 0)
    with later(days=2):
        assert schedules.start_due() == 1
    export = Export.objects.earliest("created_at")
    [message] = mail.outbox
    assert message.to == ["alice@example.com"]
    assert str(export.pk) in message.body
    assert "Acme" in message.body


def test_a_scheduled_file_is_put_into_the_bucket(
    used: Organization, alice: User, tmp_path: Path, settings: Settings
) -> None:
    pytest.importorskip("obstore")
    bucket = tmp_path / "bucket"
    bucket.mkdir()
    made = schedule(used, actor=actor_of(alice))
    ExportSchedule.objects.filter(pk=made.pk).update(to_storage=True)
    settings.EXPORT_STORAGE_URL = (tmp_path / "missing").as_uri()
    with later(days=1):
        schedules.start_due()
        making.make_due()
        settings.EXPORT_STORAGE_URL = ""
        assert schedules.tell_due() == 0  # it is tried again
        settings.EXPORT_STORAGE_URL = bucket.as_uri()
        assert schedules.tell_due() == 1
    export = Export.objects.get()
    [stored] = [path for path in bucket.rglob("*") if path.is_file()]
    assert stored.name == f"{export.since:%Y-%m-%d}.csv"
    assert write.digest_of(stored)[1] == export.sha256


@pytest.mark.parametrize(
    ("every", "day", "after"),
    [
        (Every.DAY, "2026-12-31", "2027-01-01"),
        (Every.WEEK, "2026-12-28", "2027-01-04"),
        (Every.MONTH, "2027-01-01", "2027-02-01"),
    ],
)
def test_what_comes_next(every: Every, day: str, after: str) -> None:
    found = schedules.following(every, date.fromisoformat(day))
    assert found.isoformat() == after
