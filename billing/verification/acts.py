"""Whether every row is still as its act left it, and every chain whole.

The tables are read as sorted streams, one row of text each, and merged by what they
belong to: memory does not grow with the ledger. Since a checkpoint only later acts are
read, and all rows of what they are about.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from django.db import connection

from billing.ledger import dialect, facts
from billing.models.act import ActKind
from billing.values.digests import digest
from billing.verification.registry import Wrong

ROWS_AT_ONCE = 2000

# Said of a subject beside the act that moved its credits, or none.
ASIDE = {
    ActKind.NOTE.value: "note",
    ActKind.ACKNOWLEDGEMENT.value: "acknowledgement",
    ActKind.ENVELOPE.value: "envelope",
}
ACT = "act"


class Part(NamedTuple):
    """A row of one stream: what it belongs to, what it is, and its text."""

    subject: str
    name: str
    text: str


_OF_TRANSFER = "coalesce(t.correction_id, t.hold_id, t.id)"
_BY_TRANSFER = "JOIN billing_transfer t ON t.id = x.transfer_id"
# What a fact's rows belong to, where it is not their first column, and the rest of the
# query.
STREAMS = (
    (facts.USAGE, "x.hold_id", "billing_usagerecord x"),
    (facts.COMPONENT, "x.usage_id", "billing_usagecomponent x"),
    (facts.TRANSFER, _OF_TRANSFER, "billing_transfer t"),
    (facts.ENTRY, _OF_TRANSFER, f"billing_entry x {_BY_TRANSFER}"),
    (facts.BURN, _OF_TRANSFER, f"billing_burn x {_BY_TRANSFER}"),
    (facts.GRANT, _OF_TRANSFER, f"billing_grant x {_BY_TRANSFER}"),
    (facts.AMENDMENT, "x.id", "billing_amendment x"),
    (facts.NOTE, "x.id", "billing_correction x"),
    (facts.CORRECTION, "x.id", "billing_correction x WHERE x.state <> 'pending'"),
    (facts.ACKNOWLEDGEMENT, "x.hold_id", "billing_acknowledgement x"),
    (facts.ENVELOPE, "x.hold_id", "billing_envelope x"),
)


def wrong_acts(*, since_checkpoint: bool = False) -> Iterator[Wrong]:
    """Everything that does not fit, in one snapshot: the caller's transaction. What was
    right at the checkpoints is not read again if so wished."""
    if dialect.IS_POSTGRES:
        with connection.cursor() as cursor:
            # The streams are read to their ends: no plan for the first rows only.
            cursor.execute("SET LOCAL cursor_tuple_fraction = 1")
    yield from _wrong_chains(since_checkpoint)
    yield from _wrong_facts(since_checkpoint)


# --- chains --------------------------------------------------------------------------

# Of each account the act to begin after, if any, and those that follow.
SINCE = "LEFT JOIN billing_checkpoint c ON c.account_id = a.id"
CHAINS = """
    SELECT a.id, a.acts, {chain}, {begin}, {begun}, x.number, x.kind, {subject},
           {digest}, {link}
    FROM billing_account a {since}
    LEFT JOIN billing_act x ON x.account_id = a.id AND x.number > {begin}
    ORDER BY a.id, x.number"""
HEXES = {
    "chain": dialect.hex_text("a.chain"),
    "subject": dialect.hex_text("x.subject_id"),
    "digest": dialect.hex_text("x.digest"),
    "link": dialect.hex_text("x.chain"),
}
FROM_THE_FIRST = CHAINS.format(**HEXES, since="", begin="0", begun="NULL")
FROM_THE_CHECKPOINT = CHAINS.format(
    **HEXES,
    since=SINCE,
    begin="coalesce(c.number, 0)",
    begun=dialect.hex_text("c.chain"),
)
# What later acts are about: all that belongs to it is read.
FRESH = (
    f"SELECT y.subject_id FROM billing_account a {SINCE} JOIN billing_act y "
    "ON y.account_id = a.id AND y.number > coalesce(c.number, 0)"
)


def _wrong_chains(since_checkpoint: bool) -> Iterator[Wrong]:
    rows = _rows(FROM_THE_CHECKPOINT if since_checkpoint else FROM_THE_FIRST)
    accounts = groupby(rows, itemgetter(0, 1, 2, 3, 4))
    for (account_id, stored, head, begin, begun), acts in accounts:
        number, chain = begin, begun or ""
        for *_, found, kind, subject, made, link in acts:
            if found is None:  # it did nothing since
                break
            number += 1
            chain = facts.linked(chain, number, kind, subject, made)
            if (found, link) != (number, chain):
                yield Wrong("CHAIN_BREAK", f"account={account_id} act={found}")
                # One break is one finding: go on from what is stored.
                number, chain = found, link
        if (stored, head or "") != (number, chain):
            yield Wrong(
                "CHAIN_HEAD", f"account={account_id} stored={stored} acts={number}"
            )


# --- facts ---------------------------------------------------------------------------


def _wrong_facts(since_checkpoint: bool) -> Iterator[Wrong]:
    fresh = FRESH if since_checkpoint else ""
    streams = [_stream(*stream, fresh) for stream in STREAMS]
    seals: list[Wrong] = []
    holds = _ended_holds(seals, fresh)
    merged = heapq.merge(_acts(fresh), holds, *streams, key=itemgetter(0))
    for subject, parts in groupby(merged, itemgetter(0)):
        yield from _wrong_subject(subject, list(parts))
        yield from seals
        seals.clear()
    yield from seals


def _wrong_subject(subject: str, parts: list[Part]) -> Iterator[Wrong]:
    """What was written about one hold, transfer, correction or amendment."""
    rows: dict[str, list[str]] = {}
    digests: dict[str, list[str]] = {}
    for part in parts:
        if part.name == ACT:
            kind, _, made = part.text.partition("|")
            digests.setdefault(ASIDE.get(kind, ""), []).append(made)
        else:
            aside = part.name if part.name in ASIDE.values() else ""
            rows.setdefault(aside, []).append(part.text)
    for aside in rows.keys() | digests.keys():
        found = digests.get(aside, [])
        if not found:
            yield Wrong("FACT_WITHOUT_ACT", f"subject={subject}")
        elif [facts.digest_of(rows.get(aside, []))] != found:
            yield Wrong("FACT_MISMATCH", f"subject={subject}")


def _acts(fresh: str) -> Iterator[Part]:
    text = f"x.kind || '|' || {dialect.hex_text('x.digest')}"
    yield from _parts(ACT, "x.subject_id", text, "billing_act x", fresh)


def _ended_holds(seals: list[Wrong], fresh: str) -> Iterator[Part]:
    """Those that have ended; a hold's seal is looked at in passing."""
    hold = facts.HOLD
    which = ""
    if fresh:
        unended = "x.state IN ('open', 'in_doubt') OR x.seal IS NOT NULL"
        which = f"WHERE x.id IN ({fresh}) OR {unended}"
    sql = (
        f"SELECT {dialect.hex_text('x.id')}, {hold.sql('x')}, "
        f"{dialect.hex_text('x.seal')}, x.state FROM billing_hold x {which} "
        "ORDER BY x.id"
    )
    for hold_id, text, seal, state in _rows(sql):
        is_ended = state in ("settled", "released")
        if seal != (None if is_ended else digest(text)):
            seals.append(Wrong("HOLD_SEAL", f"hold={hold_id}"))
        if is_ended:
            yield Part(hold_id, hold.name, text)


def _stream(fact: facts.Fact, subject: str, source: str, fresh: str) -> Iterator[Part]:
    alias = "t" if fact is facts.TRANSFER else "x"
    return _parts(fact.name, subject, fact.sql(alias), source, fresh)


def _parts(
    name: str, subject: str, text: str, source: str, fresh: str
) -> Iterator[Part]:
    """`fresh`: of these subjects only; all where it is empty."""
    if fresh:
        source += f" {'AND' if ' WHERE ' in source else 'WHERE'} {subject} IN ({fresh})"
    sql = f"SELECT {dialect.hex_text(subject)}, {text} FROM {source} ORDER BY {subject}"
    for found, row in _rows(sql):
        yield Part(found, name, row)


def _rows(sql: str) -> Iterator[Any]:
    """A row at a time; the database keeps the rest."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(sql)
        while found := cursor.fetchmany(ROWS_AT_ONCE):
            yield from found
