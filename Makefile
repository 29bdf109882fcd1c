# Every target works from a fresh checkout: it makes .venv first, and makes it anew
# when the dependencies change.

# The first of these that runs and is new enough; `make PYTHON=…` names another.
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$name && break; done)
BIN := .venv/bin
INSTALLED := .venv/.installed
# More options for a target's command: make demo ARGS=--exit, make test ARGS="-x -k holds"
ARGS ?=

.PHONY: demo test endure bench lint

# Everything at work: real calls, their charges, the proof; then serves until Ctrl-C.
demo: $(INSTALLED)
	@$(BIN)/python manage.py demo $(ARGS)

# The gateway against a bare forwarder, in one run; ARGS=--soak adds 50,000 calls.
bench: $(INSTALLED)
	$(BIN)/python -m tests.bench $(ARGS)

# The whole suite on SQLite and, beside it, all that touches the database on PostgreSQL.
test: $(INSTALLED)
	@$(BIN)/python -m tests $(ARGS)

# What takes longer than a test should: 50 kills of the gateway with calls in flight, 10 of
# the worker among its jobs.
endure: $(INSTALLED)
	@KILLS=50 $(BIN)/python -m tests tests/proxy/test_kill9.py tests/proxy/jobs/test_jobs_kills.py $(ARGS)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	VAR_DIR=.mypy_cache/var $(BIN)/mypy

$(INSTALLED): pyproject.toml constraints.txt
	@echo "==> Installing into .venv (a minute or two at first)"
	@test -n "$(PYTHON)" || { echo "Tollgate needs Python 3.11 or newer:" \
		"make PYTHON=/path/to/python" >&2; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@
