"""The bundle proves itself offline, with the standard library and nothing of ours.

Costs about 3 s of CPU, most of it starting Python.
"""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from billing.reports.bundle import SCRIPT, archive, figures, head_of
from billing.reports.entries import lines_between
from billing.reports.explain import Explanation, explain
from tests.support.ledger.clocks import START, Clock
from tests.support.ledger.lively import Lively
from tests.support.ledger.payers import Payer


@pytest.fixture
def found(db: None, clock: Clock) -> Explanation:
    history = Lively.open(clock, seed=5, begins=START)
    history.live(90, most_minutes=9)
    return explain(history.account_id, START + timedelta(hours=2), clock.moment)


@pytest.fixture(scope="module")
def made() -> list[bytes]:
    """The archive, by whoever needs it first."""
    return []


@pytest.fixture
def folder(request: pytest.FixtureRequest, made: list[bytes], tmp_path: Path) -> Path:
    if not made:
        found = request.getfixturevalue("found")
        made.append(b"".join(archive(found, organization="acme")))
    with zipfile.ZipFile(io.BytesIO(made[0])) as opened:
        assert opened.testzip() is None
        opened.extractall(tmp_path)
    return tmp_path / "explain"


def verified(folder: Path, *options: str) -> tuple[int, str]:
    """As an auditor would, on a machine without this project."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", folder / "verify.py", *options],
        capture_output=True,
        text=True,
        cwd=folder.parent,
    )
    return done.returncode, done.stdout + done.stderr


def test_what_was_exported_is_verified(found: Explanation, folder: Path) -> None:
    code, said = verified(folder, "--head", head_of(found))
    assert (code, said[:3]) == (0, "OK:"), said
    manifest = json.loads((folder / "manifest.json").read_text())
    told = json.loads(json.dumps(figures(found)))
    assert manifest == told | {"organization": "acme", "head": head_of(found)}
    assert manifest["entries"] >= 20
    assert verified(folder, "--head", "0" * 64)[0] == 1


Lines = list[dict[str, Any]]


def change_an_amount(lines: Lines) -> None:
    lines[3]["amount_micros"] += 1


def change_an_amount_and_all_that_follows(lines: Lines) -> None:
    """Every balance adds up again, but for the closing one."""
    lines[3]["amount_micros"] += 1
    for line in lines[3:]:
        line["balance_micros"] += 1
    for line in lines[4:]:
        line["previous_balance_micros"] += 1
    chain_again(lines)


def leave_a_line_out(lines: Lines) -> None:
    del lines[3]


def leave_the_last_line_out(lines: Lines) -> None:
    del lines[-1]


def swap_two_lines(lines: Lines) -> None:
    lines[3], lines[4] = lines[4], lines[3]


def blame_another_key(lines: Lines) -> None:
    of_calls = [line for line in lines if line["why"] == "usage"]
    of_calls[0]["key_id"] += 10**6
    chain_again(lines)


def chain_again(lines: Lines) -> None:
    """A forger who knows how the chain is made."""
    head = "0" * 64
    for line in lines:
        line["previous"] = head
        head = hashlib.sha256(text_of(line)).hexdigest()


def text_of(line: dict[str, Any]) -> bytes:
    return json.dumps(line, separators=(",", ":"), ensure_ascii=False).encode()


@pytest.mark.parametrize(
    "forge",
    [
        change_an_amount,
        change_an_amount_and_all_that_follows,
        leave_a_line_out,
        leave_the_last_line_out,
        swap_two_lines,
        blame_another_key,
    ],
    ids=lambda forge: forge.__name__,
)
def test_a_changed_line_is_found(folder: Path, forge: Callable[[Lines], None]) -> None:
    path, manifest_path = folder / "lines.jsonl", folder / "manifest.json"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [text_of(line) for line in lines] == path.read_bytes().splitlines()
    forge(lines)
    path.write_bytes(b"".join(text_of(line) + b"\n" for line in lines))
    # And the manifest is told about the new lines.
    manifest = json.loads(manifest_path.read_text())
    manifest["head"] = hashlib.sha256(text_of(lines[-1])).hexdigest()
    manifest_path.write_text(json.dumps(manifest))
    code, said = verified(folder)
    assert (code, said[:6]) == (1, "WRONG:"), said


def set_head(manifest: dict[str, Any]) -> None:
    manifest["head"] = "f" * 64


def raise_the_closing(manifest: dict[str, Any]) -> None:
    manifest["closing"]["micros"] += 1


def hide_a_reason(manifest: dict[str, Any]) -> None:
    manifest["lines"].pop()


def move_spend_between_models(manifest: dict[str, Any]) -> None:
    first, second, *_ = manifest["usage"]["model"]
    first["charged_micros"] += 5
    second["charged_micros"] -= 5


def forget_a_figure(manifest: dict[str, Any]) -> None:
    del manifest["opening"]


@pytest.mark.parametrize(
    "forge",
    [
        set_head,
        raise_the_closing,
        hide_a_reason,
        move_spend_between_models,
        forget_a_figure,
    ],
    ids=lambda forge: forge.__name__,
)
def test_a_changed_manifest_is_found(
    folder: Path, forge: Callable[[dict[str, Any]], None]
) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    forge(manifest)
    path.write_text(json.dumps(manifest))
    code, said = verified(folder)
    assert (code, said[:6]) == (1, "WRONG:"), said


def test_a_range_in_which_nothing_happened_is_verified_too(
    customer: Payer, clock: Clock, tmp_path: Path
) -> None:
    begins = clock.advance(minutes=1)
    found = explain(customer.account_id, begins, clock.advance(minutes=1))
    with zipfile.ZipFile(io.BytesIO(b"".join(archive(found)))) as opened:
        opened.extractall(tmp_path)
    assert verified(tmp_path / "explain")[0] == 0


def test_the_script_can_be_read_in_one_go() -> None:
    assert len(SCRIPT.read_text().splitlines()) <= 120


def test_any_number_of_entries_takes_the_same_memory(
    found: Explanation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four megabytes of lines, of which a few pieces are ever kept."""
    [line, *_] = lines_between(found.account_id, 0, 1)
    many = (
        replace(line, version=number, transfer_id=UUID(int=number << 64 | number))
        for number in range(8_000)
    )
    monkeypatch.setattr("billing.reports.bundle.lines_between", lambda *_: many)
    pieces = archive(found)
    tracemalloc.start()
    size = sum(map(len, pieces))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > 150_000
    assert peak < 1_500_000
