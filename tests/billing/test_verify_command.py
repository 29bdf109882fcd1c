"""`manage.py verify_ledger`: exit 0 clean, 1 findings, 2 could not run."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError

from billing.models import Account, Checkpoint
from tests.support.ledger.payers import Payer
from tests.support.ledger.tampering import no_guards
from tests.support.services import commands


def verify(*arguments: str) -> tuple[int, str]:
    """The exit code and what was written."""
    output = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("verify_ledger", *arguments, stdout=output)
    assert isinstance(ended.value.code, int)
    return ended.value.code, output.getvalue()


def tamper(customer: Payer) -> None:
    account = Account.objects.filter(id=customer.account_id)
    account.update(version=7)


def test_a_right_ledger_are_exit_0(customer: Payer) -> None:
    customer.call(12)
    code, output = verify()

    assert code == 0
    assert output.startswith("The ledger is right: ")
    assert " usage records, " in output


def test_a_right_ledger_leaves_checkpoints_for_the_next_run(customer: Payer) -> None:
    hold_id = customer.call(12)
    verify()
    kept = Checkpoint.objects.get(account_id=customer.account_id)
    assert kept.number == Account.objects.get(id=customer.account_id).acts

    sql = f"UPDATE billing_usagerecord SET duration_ms = 7 WHERE hold_id = '{hold_id}'"
    with no_guards(sql):
        assert verify("--since-checkpoint")[0] == 0
        code, output = verify()
    assert (code, "FACT_MISMATCH" in output) == (1, True)


def test_where_nothing_can_be_written_the_proof_still_counts(
    customer: Payer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise DatabaseError("read only")

    monkeypatch.setattr("billing.verification.checkpoints.write", refuse)
    code, output = verify()
    assert (code, output[:19]) == (0, "The ledger is right")


def test_wrong_books_leave_none(customer: Payer) -> None:
    tamper(customer)
    verify()
    assert not Checkpoint.objects.filter(account_id=customer.account_id).exists()


def test_wrong_books_are_exit_1_and_named(customer: Payer) -> None:
    tamper(customer)
    code, output = verify()

    assert code == 1
    found = f"error: SEQ_GAP account={customer.account_id} stored=7 entries=1 latest=1"
    assert found in output.splitlines()
    assert "The ledger is WRONG" in output


def test_a_warning_is_listed_and_no_failure(customer: Payer) -> None:
    customer.doubt(customer.hold(30))
    code, output = verify()

    assert code == 0
    assert "warning: IN_DOUBT hold=" in output
    assert "held=30 reason=upstream_lost" in output


def test_the_json_has_ok_findings_and_totals(customer: Payer) -> None:
    before = json.loads(verify("--json")[1])["totals"]
    customer.call(12)
    customer.hold(30)
    code, output = verify("--json")
    report: dict[str, Any] = json.loads(output)

    assert code == 0
    assert set(report) == {"ok", "findings", "totals"}
    assert report["ok"] is True
    grown = {name: after - before[name] for name, after in report["totals"].items()}
    assert grown == {
        "accounts": 0,
        "entries": 2,
        "holds": 2,
        "unresolved_holds": 1,
        "usage_records": 1,
        "charged_micros": 12,
        "absorbed_micros": 0,
        "granted_micros": 0,
    }


def test_a_finding_in_json_has_a_code_a_severity_and_a_detail(
    customer: Payer,
) -> None:
    tamper(customer)
    code, output = verify("--json")
    report = json.loads(output)

    assert (code, report["ok"]) == (1, False)
    assert {
        "code": "SEQ_GAP",
        "severity": "error",
        "detail": f"account={customer.account_id} stored=7 entries=1 latest=1",
    } in report["findings"]


@pytest.mark.once
def test_no_database_is_exit_2(tmp_path: Path) -> None:
    for name in ("empty.sqlite3", "no such folder/db.sqlite3"):
        url = f"sqlite:///{tmp_path / name}"
        run = commands.manage("verify_ledger", "--json", DATABASE_URL=url)
        assert run.returncode == 2, run.stderr
        assert run.stderr.startswith("could not verify: ")
        assert run.stdout == ""


def test_another_process_verifies_what_is_committed(committed_db: None) -> None:
    Payer.open(credits=100).call(12)
    run = commands.manage("verify_ledger", "--json")

    assert run.returncode == 0, run.stdout + run.stderr
    assert json.loads(run.stdout)["totals"]["charged_micros"] >= 12
