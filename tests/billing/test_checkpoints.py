"""Since a checkpoint only later acts are read again; the chains must go through it."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from billing import corrections
from billing.ledger import facts
from billing.models import (
    Account,
    Act,
    Burn,
    Checkpoint,
    Correction,
    Entry,
    Hold,
    Transfer,
    UsageRecord,
)
from billing.tasks import verify_ledger
from billing.verification import checkpoints
from billing.verification.report import verify
from tests.support.ledger.clocks import START, Clock
from tests.support.ledger.locks import kept_by_a_stranger
from tests.support.ledger.operators import amended_history
from tests.support.ledger.payers import Payer
from tests.support.ledger.tampering import no_guards, small_history
from tests.support.ledger.tamperings import SEALED_CASES


def make() -> None:
    """As a whole run leaves it."""
    report = verify()
    assert report.ok
    checkpoints.write(report.heads)


def codes(*, since_checkpoint: bool) -> set[str]:
    found = verify(since_checkpoint=since_checkpoint).findings
    return {each.code for each in found if each.severity == "error"}


def codes_after(*statements: str, since_checkpoint: bool = True) -> set[str]:
    with no_guards(*statements):
        return codes(since_checkpoint=since_checkpoint)


def kept(customer: Payer) -> Checkpoint:
    return Checkpoint.objects.get(account_id=customer.account_id)


@pytest.fixture
def histories(db: None, clock: Clock) -> tuple[dict[str, Any], dict[str, Any]]:
    """One before the checkpoints, and one after them."""
    before = small_history(clock)
    make()
    clock.moment = START  # which the history reckons from
    return before, small_history(clock)


def test_it_is_the_last_act_of_every_account(
    customer: Payer, stranger: Payer, clock: Clock
) -> None:
    customer.call(12)
    idle = Payer.open()
    clock.advance(hours=1)
    make()
    for payer in (customer, stranger):
        account = Account.objects.get(id=payer.account_id)
        found = kept(payer)
        assert (found.number, found.chain) == (account.acts, account.chain)
        assert found.made_at == START + timedelta(hours=1)
    assert not Checkpoint.objects.filter(account_id=idle.account_id).exists()


def test_a_run_that_finds_an_error_or_reads_only_part_leaves_none(
    customer: Payer,
) -> None:
    assert verify(since_checkpoint=True).heads == []
    with no_guards(
        f"UPDATE billing_account SET version = 7 WHERE id = {customer.account_id}"
    ):
        assert verify().heads == []


def test_what_came_later_is_right_too(
    histories: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    assert codes(since_checkpoint=True) == set()
    assert codes(since_checkpoint=False) == set()


def test_a_later_row_that_was_changed_is_found(
    histories: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    before, after = histories
    with no_guards():
        for case in SEALED_CASES:
            old, new = case.sql.format(**before), case.sql.format(**after)
            assert case.code in codes_after(new), new
            assert case.code not in codes_after(old), old  # it is read once a week
            assert case.code in codes_after(old, since_checkpoint=False), old


@pytest.mark.parametrize("column", ["reason", "actor"])
def test_so_is_an_amendment(db: None, clock: Clock, column: str) -> None:
    make()
    row = amended_history()["credited"]
    sql = f"UPDATE billing_amendment SET {column} = 'x' WHERE id = '{row}'"
    assert codes_after(sql) == {"FACT_MISMATCH"}


def test_an_open_hold_is_looked_at_whenever_it_was_placed(
    histories: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    before, _ = histories
    sql = f"UPDATE billing_hold SET model = 'x' WHERE id = '{before['open']}'"
    assert codes_after(sql) == {"HOLD_SEAL"}


def test_balances_are_derived_from_all_entries_in_any_case(
    histories: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    before, _ = histories
    sql = (
        "UPDATE billing_entry SET amount_micros = amount_micros + 1 "
        f"WHERE account_id = {before['account']} AND version = 1"
    )
    assert {"BALANCE_MISMATCH", "TRANSFER_UNBALANCED"} <= codes_after(sql)


def test_what_was_said_before_and_decided_later_is_one_story(customer: Payer) -> None:
    hold_id = customer.hold(10)
    customer.release(hold_id)
    customer.settle(hold_id, 8)
    word = Correction.objects.get(hold_id=hold_id)
    make()
    corrections.charge(word.id, reason="the invoice")

    assert codes(since_checkpoint=True) == set()
    sql = f"UPDATE billing_correction SET noted_at = '{START.date()}' WHERE id = "
    assert codes_after(f"{sql}'{word.id.hex}'") == {"FACT_MISMATCH"}


def test_a_hold_from_before_that_ends_later_is_read(customer: Payer) -> None:
    hold_id = customer.hold(10)
    make()
    customer.settle(hold_id, 8)
    sql = f"UPDATE billing_usagerecord SET duration_ms = 7 WHERE hold_id = '{hold_id}'"
    assert codes_after(sql) == {"FACT_MISMATCH"}


@pytest.mark.parametrize("back", [0, 1, 2])
def test_later_acts_follow_the_checkpoint(customer: Payer, back: int) -> None:
    make()
    for _ in range(3):
        customer.call(5)
    own = f"account_id = {customer.account_id}"
    acts = Account.objects.get(id=customer.account_id).acts
    one = f"number = {acts - back}"
    found = codes_after(f"DELETE FROM billing_act WHERE {own} AND {one}")
    assert found & {"CHAIN_BREAK", "CHAIN_HEAD"}


@pytest.mark.parametrize("since_checkpoint", [True, False])
def test_a_history_that_is_made_anew_from_its_first_act_is_found(
    customer: Payer, since_checkpoint: bool
) -> None:
    """Whoever does it makes every digest and every link of the chain fit."""
    hold_id = customer.call(12, upstream_id="gen-1")
    make()
    customer.call(5)
    with no_guards():
        UsageRecord.objects.filter(hold_id=hold_id).update(upstream_id="gen-2")
        forge(customer, hold_id)
        assert codes(since_checkpoint=since_checkpoint) >= {"CHECKPOINT_MISMATCH"}
        Checkpoint.objects.filter(account_id=customer.account_id).delete()
        assert codes(since_checkpoint=False) == set()  # the forgery is perfect


def forge(customer: Payer, hold_id: str) -> None:
    """Make the settlement's digest, and all links from there, of the rows as they are
    now."""
    transfers = Transfer.objects.filter(hold_id=hold_id)
    entries = Entry.objects.filter(transfer__hold_id=hold_id)
    burns = Burn.objects.filter(transfer__hold_id=hold_id)
    rows = (
        (facts.HOLD, Hold.objects.filter(id=hold_id)),
        (facts.USAGE, UsageRecord.objects.filter(hold_id=hold_id)),
        *((facts.TRANSFER, transfers), (facts.ENTRY, entries), (facts.BURN, burns)),
    )
    texts = [fact.text(text_row(each)) for fact, found in rows for each in found]
    chain = ""
    for act in Act.objects.filter(account_id=customer.account_id).order_by("number"):
        made = act.digest.hex
        if act.subject_id == uuid.UUID(hold_id):
            made = facts.digest_of(texts)
        chain = facts.linked(chain, act.number, act.kind, act.subject_id.hex, made)
        row = Act.objects.filter(account_id=customer.account_id, number=act.number)
        row.update(digest=uuid.UUID(made), chain=uuid.UUID(chain))
    its = Account.objects.filter(id=customer.account_id)
    its.update(chain=uuid.UUID(chain))


def text_row(row: Any) -> dict[str, Any]:
    found = facts.row_of(row)
    if isinstance(row, Hold):
        for name in ("pins", "budgets"):
            pairs = ",".join(f"[{a},{b}]" for a, b in getattr(row, name))
            found[f"{name}_text"] = f"[{pairs}]"
    return found


@pytest.mark.postgres_only
def test_no_call_is_waited_for(committed_db: None) -> None:
    """Nor does one wait: nothing is locked that it needs."""
    customer = Payer.open(credits=100)
    customer.call(12)
    checkpoints.write(checkpoints.heads())
    customer.call(12)
    lock = f"SELECT id FROM billing_account WHERE id = {customer.account_id} FOR UPDATE"
    try:
        with kept_by_a_stranger(lock), connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '500ms'")
            checkpoints.write(checkpoints.heads())
    finally:
        connection.close()
    account = Account.objects.get(id=customer.account_id)
    assert kept(customer).number == account.acts


def test_of_two_runs_at_once_the_later_act_stays(customer: Payer) -> None:
    early = verify().heads
    customer.call(12)
    make()
    later = kept(customer).number
    checkpoints.write(early)

    assert kept(customer).number == later
    assert codes(since_checkpoint=True) == set()


# --- every night ------------------------------------------------------------------


def test_the_nightly_proof_is_a_whole_one_once_a_week(
    customer: Payer, clock: Clock
) -> None:
    made = []
    for _ in range(15):
        assert verify_ledger() == 0
        made.append(kept(customer).made_at)
        clock.advance(days=1)
    nights = sorted({(each - START).days for each in made})
    assert nights == [0, 7, 14]


def test_while_there_are_errors_every_proof_is_a_whole_one(
    customer: Payer, clock: Clock
) -> None:
    hold_id = customer.call(12)
    verify_ledger()
    sql = f"UPDATE billing_usagerecord SET duration_ms = 7 WHERE hold_id = '{hold_id}'"
    with no_guards(sql):
        assert verify_ledger() == 0  # of this week
        for _ in range(2):
            clock.advance(days=7)
            assert verify_ledger() == 1
    assert kept(customer).made_at == START
