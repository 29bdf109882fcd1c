# Every target works from a fresh checkout: it makes .venv first, and updates it when
# the dependencies change.

# The first of these that is 3.11 or newer; `make PYTHON=…` names another.
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$name && break; done)
BIN := .venv/bin
# Who runs it needs a third of what who works on it does.
RUNTIME := .venv/.runtime
INSTALLED := .venv/.installed
# More options for a command: make demo ARGS=--exit, make test ARGS="-x -k holds"
ARGS ?=

.PHONY: demo test clients endure bench pages pictures exports siege lint

# Starts everything, makes real calls, compares their charges with the upstream's, then
# serves until Ctrl-C.
demo: $(RUNTIME)
	@$(BIN)/python manage.py demo $(ARGS)

# Measures the gateway beside a server that only forwards; ARGS=--soak adds 50,000 calls
# to see whether memory grows. tests/bench/README.md explains the figures.
bench: $(INSTALLED)
	$(BIN)/python -m tests.bench $(ARGS)

# Measures every page over 1,000,000 calls, 1,000 keys and 200 members, on SQLite and
# PostgreSQL: server time, queries. ARGS="--calls 20000 --only sqlite" measures less.
pages: $(INSTALLED)
	@$(BIN)/python -m tests.pages $(ARGS)

# Takes the README's pictures of the portal: Chromium over the demo's data, in light and
# dark. ARGS=usage takes one page's.
pictures: $(INSTALLED)
	@$(BIN)/python -m tests.pictures $(ARGS)

# Every test on SQLite and, beside it, those that touch the database on PostgreSQL.
test: $(INSTALLED)
	@$(BIN)/python -m tests $(ARGS)

# Programs that people have, unmodified, as clients: openai-python of three years, node …
# The first time they are installed, into .clients/.
clients: $(INSTALLED)
	@$(BIN)/python -m pytest tests/clients $(ARGS)

# Tests that take too long for `make test`: the gateway is killed 50 times during calls,
# the worker 10 times during its jobs, an SDK retries 1,000 calls in a bad time, and a
# storm of 20,000 calls goes over all of it; 25 times while runs are open. 1,000 histories
# of the ledger, 5,000 of budgets and runs, 200 races for them, and every planted bug;
# 200 runs of payments, whose worker is killed at every point, and loses its broker;
# 20,000 strange requests to every route, while the upstream has gone mad.
endure: $(INSTALLED)
	@KILLS=50 RUN_KILLS=25 RETRIES=1000 STORM_CALLS=20000 HISTORIES=1000 \
	BUDGET_HISTORIES=5000 BUDGET_RACES=200 WEBHOOK_EVENTS=10000 WEBHOOK_KILLS=10 \
	STATEMENT_HISTORIES=40 PAYMENT_RUNS=200 PAYMENT_KILLS=6 BROKER_LOST_SECONDS=60 \
	FUZZ_REQUESTS=20000 \
		$(BIN)/python -m tests \
		tests/proxy/test_kill9.py tests/proxy/envelopes/test_runs_killed.py \
		tests/proxy/jobs/test_jobs_kills.py \
		tests/proxy/idempotency/test_retry_storm.py tests/proxy/test_storm.py \
		tests/billing/test_histories.py tests/billing/budgets/test_budget_histories.py \
		tests/billing/budgets/test_budget_race.py \
		tests/billing/statements/test_statements.py \
		tests/portal/notices/test_worker_kills.py \
		tests/portal/payments/test_random_runs.py tests/portal/payments/test_killed.py \
		tests/portal/payments/test_worker.py tests/proxy/test_fuzz_wire.py $(ARGS)
	@$(BIN)/python -m tests.planted

# Exports a million rows of usage as CSV and XLSX, and measures time and memory.
exports: $(INSTALLED)
	@$(BIN)/python -m tests.bench.exports $(ARGS)

# Strangers and a hostile tenant attack in turn, while an honest tenant makes 20 calls a
# second: what it is delayed, what fails, memory in all. Exit 1 when an aim is missed.
siege: $(INSTALLED)
	@$(BIN)/python -m tests.siege $(ARGS)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	VAR_DIR=.mypy_cache/var $(BIN)/mypy

# Counts what pip says; what goes wrong is said in full.
define install
	@echo "==> Installing $(2) into .venv"
	@test -n "$(PYTHON)" || { echo "Tollgate needs Python 3.11 or newer:" \
		"make PYTHON=/path/to/python" >&2; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv --clear .venv
	@rm -f .venv/.failed
	@{ $(BIN)/python -m pip install --disable-pip-version-check --no-compile \
		--progress-bar off -c constraints.txt -e '.[$(1)]' || touch .venv/.failed; } | { \
		count=0; while read -r line; do case "$$line" in \
			Collecting*) count=$$((count + 1)); printf '\r    %d packages' $$count;; \
			Installing\ collected*) printf ', unpacking them';; esac; done; \
		test $$count = 0 || echo; }
	@test ! -e .venv/.failed
endef

$(RUNTIME): pyproject.toml constraints.txt
	$(call install,demo,what runs)
	@touch $@

$(INSTALLED): pyproject.toml constraints.txt
	$(call install,dev,what runs and what tests it)
	@touch $@ $(RUNTIME)
