# run     start a mail server for this machine alone; options: make run ARGS="--user me@example.test:secret"
# test    the whole suite; one part of it: make test PYTEST_ARGS="tests/unit -k imap"
# lint    format, ruff, mypy, import contracts; with -k all of them even if one fails
# check   lint and test
# clean   remove .venv and caches; the mail in the data folder stays
#
# Needs Python >= 3.11, GNU make >= 3.81 and, for the first run, a package index that pip can reach.
# Set PYTHON to use a certain interpreter.

SHELL = /bin/sh
PYTHON ?=
ARGS ?=
PYTEST_ARGS ?=
VENV = .venv
BIN = $(VENV)/bin
# With `EXTRAS=test,ldap` also what the tests with OpenLDAP need, which is built from C.
EXTRAS ?= test
PIP = $(BIN)/python -m pip --disable-pip-version-check --quiet install
# So that the first start is as quick as the others; pip leaves an editable package uncompiled.
COMPILE = $(BIN)/python -m compileall -q mailsuite

.PHONY: run test lint lint-format lint-ruff lint-types lint-floors check format clean

# exec, so that Ctrl-C and SIGTERM meet the server itself and its exit status is the recipe's.
run: $(VENV)/installed
	@exec $(BIN)/python -m mailsuite dev $(ARGS)

test: $(VENV)/installed-for-tests
	$(BIN)/python -m pytest -n auto --dist worksteal $(PYTEST_ARGS)

lint: lint-format lint-ruff lint-types lint-floors

lint-format: $(VENV)/installed-for-tests
	$(BIN)/ruff format --check .

lint-ruff: $(VENV)/installed-for-tests
	$(BIN)/ruff check .

lint-types: $(VENV)/installed-for-tests
	$(BIN)/mypy

lint-floors: $(VENV)/installed-for-tests
	$(BIN)/lint-imports

check: lint test

format: $(VENV)/installed-for-tests
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info

# A stamp is written last, so that an interrupted installation is done again.
$(VENV)/installed: pyproject.toml $(VENV)/made
	@echo "Installing mailsuite into $(VENV) (once; about a minute)"
	@$(PIP) --editable .
	@$(COMPILE)
	@touch $@

$(VENV)/installed-for-tests: pyproject.toml $(VENV)/made
	@echo "Installing mailsuite and its test tools into $(VENV) (once; a minute or two)"
	@$(PIP) --editable '.[$(EXTRAS)]'
	@$(COMPILE)
	@touch $@ $(VENV)/installed

# The first interpreter that is new enough and can make a venv (Debian keeps that in python3-venv).
$(VENV)/made:
	@found=; old=; bare=; \
	for python in $(PYTHON) python3 python3.13 python3.12 python3.11 python3.14 python; do \
	  command -v "$$python" >/dev/null 2>&1 || continue; \
	  if ! "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    old="$$old $$python"; continue; fi; \
	  if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
	    bare="$$bare $$python"; continue; fi; \
	  found="$$python"; break; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "mailsuite needs Python 3.11 or newer, with its venv module." >&2; \
	  [ -z "$$old" ] || echo "Too old:$$old" >&2; \
	  [ -z "$$bare" ] || echo "Without venv:$$bare (on Debian: apt install python3-venv)" >&2; \
	  [ -n "$$old$$bare" ] || echo "No Python was found; PYTHON=/path/to/python3 make names one." >&2; \
	  exit 1; \
	fi; \
	"$$found" -m venv --clear $(VENV)
	@touch $@
