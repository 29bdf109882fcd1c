"""Check an explained balance offline: python verify.py [--head HEX]

Needs Python 3.9 and nothing else. It reads lines.jsonl and manifest.json beside it:

1. Chain: each line names the SHA-256 of the line before it, and the manifest that of
   the last. Give --head as the page showed it: then nobody changed all of them since.
2. Balances: each entry follows the one before, and adds its amount to that balance.
3. Sums: the entries add up to each figure of the manifest, by reason, model and key.
4. Identity: opening + all that happened = closing.

Amounts are microcredits: 1,000,000 of them are one credit. Exit code 0 is all good.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

Sums = Counter[Any]  # of what each thing came to
GENESIS = "0" * 64
CALLS = ("usage", "correction", "refund")
SHARES = {
    "model": "model",
    "key": "key_id",
    "project": "project_id",
    "holder": "holder_id",
}


class Wrong(Exception):
    """Something does not add up."""


def expect(is_so: bool, *words: object) -> None:
    if not is_so:
        raise Wrong(" ".join(map(str, words)))


def read_lines(path: Path, manifest: Any) -> tuple[Sums, dict[str, Sums]]:
    """Check chain and balances line by line, and add the amounts up."""
    head, count = GENESIS, 0
    version, balance = manifest["opening"]["version"], manifest["opening"]["micros"]
    reasons: Sums = Counter()
    shares: dict[str, Sums] = {of: Counter() for of in SHARES}
    with path.open("rb") as file:
        for count, raw in enumerate(file, 1):
            where = f"line {count}:"
            entry = json.loads(raw)
            amount = entry["amount_micros"]
            expect(entry["previous"] == head, where, "the chain is broken before it")
            expect(entry["version"] == version + 1, where, "an entry is missing")
            expect(entry["previous_balance_micros"] == balance, where, "wrong balance")
            expect(entry["balance_micros"] == balance + amount, where, "wrong amount")
            expect(manifest["from"] <= entry["at"] < manifest["until"], where, "time")
            reasons[entry["why"]] += amount
            if entry["why"] in CALLS:
                for of, column in SHARES.items():
                    shares[of][entry[column]] -= amount
            version, balance = entry["version"], entry["balance_micros"]
            head = hashlib.sha256(raw.rstrip(b"\n")).hexdigest()
    expect(head == manifest["head"], "the last line is not the manifest's head")
    expect(count == manifest["entries"], "the manifest says another number of lines")
    expect(version == manifest["closing"]["version"], "entries are missing at the end")
    expect(balance == manifest["closing"]["micros"], "the closing balance is another")
    return reasons, shares


def check_sums(
    manifest: Any, reasons: Sums, shares: dict[str, Sums]
) -> tuple[int, int, int]:
    """Each figure of the manifest against the lines."""
    told = {line["why"]: line["micros"] for line in manifest["lines"]}
    for why in {*told, *reasons}:
        expect(told.get(why, 0) == reasons[why], "the sum of", why, "is another")
    for of, found in shares.items():
        parts = {row["subject"]: row["charged_micros"] for row in manifest["usage"][of]}
        for subject in {*parts, *found}:
            same = parts.get(subject, 0) == found[subject]
            expect(same, "the sum of", of, subject, "is another")
    moved = sum(told.values())
    opening, closing = manifest["opening"]["micros"], manifest["closing"]["micros"]
    expect(opening + moved == closing, "opening and what happened is not closing")
    return opening, moved, closing


def main() -> int:
    parser = argparse.ArgumentParser(description="Check an explained balance offline.")
    parser.add_argument("--head", help="the last hash, as the page showed it")
    head, folder = parser.parse_args().head, Path(__file__).resolve().parent
    try:
        manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
        expect(head in (None, manifest["head"]), "the page showed another head")
        found = read_lines(folder / "lines.jsonl", manifest)
        opening, moved, closing = check_sums(manifest, *found)
    except (Wrong, OSError, ValueError, KeyError, TypeError) as error:
        sys.stdout.write(f"WRONG: {error!s} ({type(error).__name__})\n")
        return 1
    sys.stdout.write(
        f"OK: {manifest['entries']} entries, opening {opening} + {moved} = {closing} "
        f"microcredits, head {manifest['head']}\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
