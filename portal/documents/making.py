"""The worker's part of exports: take one, write it, offer it when it is whole.

A run may be killed anywhere and may run twice. Each attempt writes a file of its own;
the row names a file only once that is on disk, and only if the attempt is still the
row's. An attempt that said nothing for `STALE` is taken over by the next.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
import uuid
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.urls import reverse

from billing import outbox
from billing.reports.periods import Range
from billing.values import clock
from portal.documents import files, write
from portal.documents.kinds import Format, Kind
from portal.documents.writers.xlsx import TooManyRows
from portal.models import Export, ExportState

logger = logging.getLogger(__name__)

STALE = timedelta(seconds=120)
ATTEMPTS_MAX = 5
KEPT = timedelta(days=7)
# Files that no row names are of attempts that were killed.
STRAY = timedelta(days=1)
BEAT_SECONDS = 2.0


class TakenOver(Exception):
    """Another attempt makes this export now."""


def make_due(*, seconds: float = 600) -> int:
    """Make what waits, one after the other, for so long at most; how many were made."""
    until, made = time.monotonic() + seconds, 0
    while time.monotonic() < until and (export := claim()):
        made += make(export)
    return made


def claim() -> Export | None:
    """The next that waits, or whose worker has died, with a new attempt."""
    now = clock.now()
    dead = Q(state=ExportState.RUNNING, beat_at__lt=now - STALE)
    with transaction.atomic():
        found = (
            Export.objects.filter(Q(state=ExportState.QUEUED) | dead)
            .select_for_update(skip_locked=True, of=("self",))
            .order_by("created_at")
            .first()
        )
        if found is None:
            return None
        found.state, found.beat_at = ExportState.RUNNING, now
        found.attempt, found.attempts = uuid.uuid4(), found.attempts + 1
        found.rows = 0
        found.save(update_fields=["state", "beat_at", "attempt", "attempts", "rows"])
    return found


def make(export: Export) -> bool:
    """Write it; whether it is ready. Of what fails the row says so."""
    if export.attempts > ATTEMPTS_MAX:
        _end(export, "Its worker died each time.")
        return False
    part = files.folder() / f"{export.pk}.{_attempt(export)}.part"
    try:
        written = _write(export, part)
        return _offer(export, part, written)
    except TakenOver:
        return False
    except TooManyRows:
        _end(export, "It has more rows than its sheets: ask for CSV.")
    except (OSError, write.FormatMissing, LookupError) as error:
        logger.error("export %s failed: %s", export.pk, error)
        words = str(error) if isinstance(error, write.FormatMissing) else ""
        _end(export, words or "It could not be written. Ask again.")
    finally:
        part.unlink(missing_ok=True)
    return False


def _attempt(export: Export) -> str:
    assert export.attempt is not None
    return export.attempt.hex


def _write(export: Export, part: Path) -> write.Written:
    beaten = time.monotonic()

    def progress(rows: int, expected: int) -> None:
        nonlocal beaten
        if time.monotonic() - beaten >= BEAT_SECONDS:
            beaten = time.monotonic()
            _beat(export, rows, expected)

    span = Range(export.since, export.until)
    kind, format = Kind(export.kind), Format(export.format)
    return write.to_file(export.organization, kind, format, span, part, progress)


def _mine(export: Export) -> dict[str, object]:
    return {"pk": export.pk, "attempt": export.attempt, "state": ExportState.RUNNING}


def _beat(export: Export, rows: int, expected: int) -> None:
    """Raises: TakenOver."""
    found = Export.objects.filter(**_mine(export))
    if not found.update(beat_at=clock.now(), rows=rows, rows_expected=expected):
        raise TakenOver


def _offer(export: Export, part: Path, written: write.Written) -> bool:
    name = f"{export.pk}.{_attempt(export)}.{export.format}"
    whole = part.with_name(name)
    os.replace(part, whole)
    now = clock.now()
    with transaction.atomic():
        is_ours = Export.objects.filter(**_mine(export)).update(
            state=ExportState.READY,
            file=name,
            rows=written.rows,
            rows_expected=written.rows,
            bytes=written.bytes,
            sha256=written.sha256,
            finished_at=now,
            expires_at=now + KEPT,
        )
        if is_ours:
            outbox.emit(
                export.organization.account_id,
                "export.ready",
                _told(export, written),
                key=str(export.pk),
            )
    if not is_ours:
        whole.unlink(missing_ok=True)
    return bool(is_ours)


def _told(export: Export, written: write.Written) -> dict[str, outbox.JSON]:
    return {
        "object": "export",
        "id": str(export.pk),
        "kind": export.kind,
        "format": export.format,
        "from": export.since.isoformat(),
        "until": export.until.isoformat(),
        "rows": written.rows,
        "bytes": written.bytes,
        "sha256": written.sha256,
        "url": url_of(export),
    }


def url_of(export: Export) -> str:
    """Where it is fetched, by whoever is signed in and may."""
    path = reverse("export-download", args=[export.organization.slug, export.pk])
    return f"{settings.PUBLIC_URL}{path}"


def _end(export: Export, words: str) -> None:
    Export.objects.filter(**_mine(export)).update(
        state=ExportState.FAILED,
        error=words[:200],
        finished_at=clock.now(),
        to_tell=False,
    )


def purge() -> int:
    """Delete the files of exports whose time is over, and strays; how many files."""
    over = Export.objects.filter(
        state=ExportState.READY, expires_at__lt=clock.now()
    ).values_list("pk", "file")
    deleted = 0
    for pk, name in list(over[:1000]):
        changed = Export.objects.filter(pk=pk, state=ExportState.READY)
        if changed.update(state=ExportState.EXPIRED, file="", to_tell=False):
            (files.folder() / name).unlink(missing_ok=True)
            deleted += 1
    return deleted + _purge_strays()


def _purge_strays() -> int:
    known = set(Export.objects.exclude(file="").values_list("file", flat=True))
    oldest, deleted = time.time() - STRAY.total_seconds(), 0
    for path in files.folder().iterdir():
        with contextlib.suppress(FileNotFoundError):
            if path.name not in known and path.stat().st_mtime < oldest:
                path.unlink()
                deleted += 1
    return deleted
