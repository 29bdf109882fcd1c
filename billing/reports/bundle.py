"""An explained balance as data: its figures, every entry, and a script to check both.

Each entry is a line of JSON that names the hash of the line before it. Whoever keeps
the last one, the *head*, can prove later that no line was changed, left out or moved.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, cast

import orjson

from billing.reports.entries import LedgerLine, lines_between
from billing.reports.explain import Explanation, Share, why_of
from billing.reports.holding import Held
from billing.reports.verify_bundle import GENESIS
from billing.values.amounts import credits_text

SCRIPT = Path(__file__).with_name("verify_bundle.py")
FOLDER = "explain"
PIECE_BYTES = 65_536


def figures(found: Explanation) -> dict[str, Any]:
    """What the page shows: amounts in microcredits, and as credits in words."""
    return {
        "object": "balance_explanation",
        "from": _time(found.since),
        "until": _time(found.until),
        "opening": {
            **_amount(found.opening.balance_micros),
            "version": found.opening.version,
        },
        "closing": {
            **_amount(found.closing.balance_micros),
            "version": found.closing.version,
        },
        "lines": [
            {"why": line.why, **_amount(line.amount_micros), "count": line.count}
            for line in found.lines
        ],
        "usage": {of.value: [*map(_share, found.shares[of])] for of in found.shares},
        "held": {"from": _held(found.held_since), "until": _held(found.held_until)},
        "entries": found.entries,
        "gap_micros": found.gap_micros,
    }


def _time(moment: datetime) -> str:
    """Of one length, so that they can be compared as text."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _amount(micros: int) -> dict[str, Any]:
    text = credits_text(abs(micros))
    return {"micros": micros, "credits": f"-{text}" if micros < 0 else text}


def _share(share: Share) -> dict[str, Any]:
    return {
        "subject": share.subject,
        "label": share.label,
        "requests": share.requests,
        "first_micros": share.first_micros,
        "corrected_micros": share.corrected_micros,
        "charged_micros": share.charged_micros,
    }


def _held(held: Held) -> dict[str, int]:
    return {
        "micros": held.micros,
        "holds": held.holds,
        "in_doubt_micros": held.in_doubt_micros,
    }


# --- the lines ----------------------------------------------------------------------


class Lines:
    """Every entry as a line, in order; afterwards `head` is the last one's hash."""

    def __init__(self, found: Explanation) -> None:
        self._found = found
        self.head = GENESIS

    def __iter__(self) -> Iterator[bytes]:
        opening, closing = self._found.opening, self._found.closing
        entries = lines_between(
            self._found.account_id, opening.version, closing.version
        )
        for entry in entries:
            text = orjson.dumps(_line(entry) | {"previous": self.head})
            self.head = hashlib.sha256(text).hexdigest()
            yield text + b"\n"


def _line(entry: LedgerLine) -> dict[str, Any]:
    return {
        "version": entry.version,
        "at": _time(entry.at),
        "why": why_of(entry.kind, entry.source, entry.correction or None),
        "amount_micros": entry.amount_micros,
        "balance_micros": entry.balance_micros,
        "previous_version": entry.version - 1,
        "previous_balance_micros": entry.balance_micros - entry.amount_micros,
        "transfer": entry.transfer_id.hex,
        "reference": entry.reference,
        "request": f"req_{entry.hold_id.hex}" if entry.hold_id else None,
        "correction": entry.correction_id.hex if entry.correction_id else None,
        "operation": entry.operation,
        "model": entry.model,
        "key_id": entry.key_id,
        "key": entry.spender_label,
        "project_id": entry.project_id or 0,
        "project": entry.project_label,
        "holder_id": entry.holder_id or 0,
        "holder": entry.holder_label,
    }


def head_of(found: Explanation) -> str:
    """As the bundle's manifest has it: reads every entry."""
    lines = Lines(found)
    for _ in lines:
        pass
    return lines.head


# --- the archive --------------------------------------------------------------------


class _Pipe(io.RawIOBase):
    """What `zipfile` writes to: it cannot go back, and keeps what nobody took yet."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []
        self._size = 0

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:
        self._pieces.append(bytes(piece))
        self._size += len(piece)
        return len(piece)

    def is_full(self) -> bool:
        return self._size >= PIECE_BYTES

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces, self._size = [], 0
        return taken


def archive(found: Explanation, **more: str) -> Iterator[bytes]:
    """A ZIP file, piece by piece: lines, manifest (with `more` in it) and script. Any
    number of entries takes the memory of a few thousand."""
    pipe, lines = _Pipe(), Lines(found)
    with zipfile.ZipFile(cast(IO[bytes], pipe), "w", zipfile.ZIP_DEFLATED) as made:
        with made.open(_member("lines.jsonl", found), "w", force_zip64=True) as file:
            for line in lines:
                file.write(line)
                if pipe.is_full():
                    yield pipe.take()
        manifest = figures(found) | more | {"head": lines.head}
        text = orjson.dumps(manifest, option=orjson.OPT_INDENT_2)
        made.writestr(_member("manifest.json", found), text)
        made.writestr(_member("verify.py", found), SCRIPT.read_bytes())
    yield pipe.take()


def _member(name: str, found: Explanation) -> zipfile.ZipInfo:
    """Dated as what it tells of, so that the same range makes the same file."""
    member = zipfile.ZipInfo(f"{FOLDER}/{name}", found.until.timetuple()[:6])
    member.compress_type = zipfile.ZIP_DEFLATED
    member.external_attr = 0o644 << 16
    return member
