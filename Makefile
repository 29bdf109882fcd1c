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

.PHONY: demo test bench lint

# Everything at work: real calls, their charges, the proof; then serves until Ctrl-C.
demo: $(INSTALLED)
	@$(BIN)/python manage.py demo $(ARGS)

# The gateway against a bare forwarder, in one run; ARGS=--soak adds 50,000 calls.
bench: $(INSTALLED)
	$(BIN)/python -m tests.bench $(ARGS)

# The whole suite on SQLite, then all that touches the database again on PostgreSQL.
# A selection by ARGS may leave nothing for the second run (pytest's exit code 5).
test: $(INSTALLED)
	@echo "==> Testing on SQLite"
	TEST_DATABASE=sqlite $(BIN)/python -m pytest $(ARGS)
	@echo "==> Testing on PostgreSQL (a private cluster; skipped where it is not installed)"
	TEST_DATABASE=postgres $(BIN)/python -m pytest --database-tests $(ARGS) \
		|| { code=$$?; test $$code -eq 5 -a -n "$(ARGS)" || exit $$code; }

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
