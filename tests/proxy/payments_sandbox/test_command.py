"""`manage.py payments_sandbox`, and that a killed one knows what it knew."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import stripe

from proxy.payments_sandbox.state import State
from tests.support import sources

pytestmark = pytest.mark.once

KEY = "sk_test_sandbox"
PAID: Any = {
    "amount": 900,
    "currency": "eur",
    "confirm": True,
    "payment_method": "pm_card_visa",
}


@contextmanager
def running(state: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = subprocess.Popen(
        [sys.executable, "manage.py", "payments_sandbox", "--port", "0"]
        + ["--state", str(state)],
        cwd=sources.ROOT,
        env={**os.environ},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    try:
        line = process.stdout.readline()
        assert line.startswith("Payments sandbox on http://127.0.0.1:"), line
        yield process, line.split()[-1]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_what_was_answered_outlives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    keyed: Any = {"idempotency_key": "once"}
    with running(path) as (process, url):
        client = stripe.StripeClient(KEY, base_addresses={"api": url})
        made = client.v1.payment_intents.create(PAID, keyed)
        process.send_signal(signal.SIGKILL)
    kept = State(path)
    assert kept.journal.totals() == {"eur": 900}
    assert kept.find("payment_intent", made.id)["status"] == "succeeded"
    assert [reply["status"] for reply in kept.replies.values()] == [200]
