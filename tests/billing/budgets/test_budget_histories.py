"""Whatever happens to limits and runs, in whatever order: it counts as it should."""

from __future__ import annotations

import os
import secrets

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase
from hypothesis.stateful import run_state_machine_as_test

from tests.support.ledger.budget_history import BudgetHistory
from tests.support.ledger.clocks import Clock
from tests.support.services.environment import wanted_database

SEED_VARIABLE = "BUDGET_HISTORIES_SEED"
# `make endure` asks for 5,000.
EXAMPLES = int(
    os.environ.get("BUDGET_HISTORIES")
    or {"sqlite": 300, "postgres": 100}[wanted_database()]
)
STEPS = 12


@pytest.mark.timeout(3600)
def test_every_history_counts_as_the_auditor_says(
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
    machine = hypothesis.seed(seed)(lambda: BudgetHistory(clock))
    run_state_machine_as_test(machine, settings=settings)  # type: ignore[arg-type]
