"""Whatever happens, in whatever order: the ledger does what the auditor expects."""

from __future__ import annotations

import os
import secrets

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase
from hypothesis.stateful import run_state_machine_as_test

from tests.support.ledger.clocks import Clock
from tests.support.ledger.history import History, open_customers
from tests.support.services.environment import wanted_database

SEED_VARIABLE = "HISTORIES_SEED"
# `make endure` asks for 1,000.
EXAMPLES = int(
    os.environ.get("HISTORIES") or {"sqlite": 50, "postgres": 25}[wanted_database()]
)
STEPS = 30


@pytest.mark.timeout(3600)
def test_every_history_ends_as_the_auditor_says(
    db: None, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = int(os.environ.get(SEED_VARIABLE) or secrets.randbelow(2**32))
    with capsys.disabled():
        os.write(1, f"\n{SEED_VARIABLE}={seed} ".encode())
    settings = hypothesis.settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        derandomize=False,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
    )
    customers = open_customers()
    # The seed is an attribute of the factory: hypothesis looks for it there.
    machine = hypothesis.seed(seed)(lambda: History(clock, customers))
    run_state_machine_as_test(machine, settings=settings)  # type: ignore[arg-type]
