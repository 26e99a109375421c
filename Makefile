# One door to everything: `make` alone lists the targets.
# The newest Python at hand that can make a venv; `python3.13` may be a shim that starts nothing, so
# each is tried. Why not 3.11 when there is a newer one: docs/decisions/0030.
PYTHON ?= $(shell for one in python3.13 python3.12 python3.11 python3; do \
	  $$one -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
	    && { echo $$one; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
CODE := payflow temporal activities workflows api workers cli
# Nothing is compiled: a package without a wheel for this machine is an error at once.
PIP_INSTALL = -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes
UV := $(shell command -v uv 2>/dev/null || { test -x $(BIN)/uv && echo $(BIN)/uv; })
COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-header --no-emit-index-url

.DEFAULT_GOAL := help
.PHONY: help install demo up test chaos attacks planted mutants fuzz bench ui-check screenshots check lock audit licenses sbom image release clean

STORM ?= long
# Where it is set, each of the many processes of a run would compile the whole of PayFlow for itself.
unexport PYTHONDONTWRITEBYTECODE

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(VENV)/.installed ## Build .venv from the hashed lock

# Two stamps: the packages follow the lock, the link to this folder follows pyproject.toml.
$(VENV)/.dependencies: requirements-dev.lock
	@test -n "$(PYTHON)" && $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo 'PayFlow needs Python 3.11 or newer: install it, or name one with "make install PYTHON=/path/to/python3".' >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python $(PIP_INSTALL) -r requirements-dev.lock
	@touch $@

$(VENV)/.installed: $(VENV)/.dependencies pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.ui: requirements-ui.lock $(VENV)/.installed
	$(BIN)/python $(PIP_INSTALL) -r requirements-ui.lock
	@touch $@

demo: install ## Show PayFlow at work, from nothing to the last cent
	@$(BIN)/payflow demo

up: install ## Run the whole stack until Ctrl-C
	@exec $(BIN)/payflow up

# As many files at a time as three, since tests mostly wait; in their order, the long ones first.
test: install ## Run the tests against the real parts, three files at a time
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder

chaos: install ## The crash matrix (writes docs/proof.md), long storms, a bank, a model, repairs, resets
	PAYFLOW_STORM=$(STORM) $(BIN)/pytest tests/chaos tests/stuck tests/bank tests/model tests/e2e/test_resets.py \
	  tests/e2e/test_races.py -rP

attacks: install ## Eight attacks at once while 16 clients make transfers: none may fail, p95 may double
	PAYFLOW_ATTACKS=long $(BIN)/pytest tests/attacks -rP

planted: install ## Plant bugs one after the other: each must turn its tests red
	PAYFLOW_STORM=long $(BIN)/pytest tests/planted -rP

mutants: install ## Change the domain in thousands of places: unit tests must notice
	PATH="$(CURDIR)/$(BIN):$$PATH" nice mutmut run --max-children $(or $(CHILDREN),1)
	@$(BIN)/mutmut results

fuzz: install ## Thousands of requests nobody would send: none is a 5xx, none undocumented
	PAYFLOW_FUZZ=long $(BIN)/pytest tests/e2e/test_fuzz.py -rP

bench: install ## Measure ratios, write docs/performance.md: BENCH=--quick, --soak, '--only batches', --help
	$(BIN)/python -m benchmarks $(BENCH)

ui-check: $(VENV)/.ui ## The Temporal UI in a real browser; needs chromium and chromium-driver on PATH
	PAYFLOW_UI=1 $(BIN)/pytest tests/ui -rP

screenshots: $(VENV)/.ui ## The same, and keep what is seen in docs/img
	PAYFLOW_UI=1 PAYFLOW_SCREENSHOTS=1 $(BIN)/pytest tests/ui -rP

check: install ## Lint, format, types, architecture, security; needs no network
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bandit -q -c pyproject.toml -r $(CODE)
	@if command -v promtool >/dev/null; then promtool check rules deploy/prometheus/rules.yml; \
	  else echo 'promtool is not here: the alert rules are checked by the tests alone.'; fi

# hatchling wants `editables` for an install in place; pip may not fetch it there.
lock: ## Remake the lock files
	@test -n "$(UV)" || { echo 'make lock needs uv: put it on PATH, or run "$(BIN)/pip install uv".' >&2; exit 1; }
	$(COMPILE) --output-file requirements.lock pyproject.toml
	echo editables | $(COMPILE) --extra dev --output-file requirements-dev.lock pyproject.toml -
	$(COMPILE) --extra ui --constraint requirements-dev.lock --output-file requirements-ui.lock pyproject.toml
	@! grep -nE '://|file:' requirements.lock requirements-dev.lock requirements-ui.lock || { \
	  echo 'A lock file must not carry addresses.' >&2; exit 1; }

audit: ## Look the locked packages up in the advisories; needs the network
	@command -v pip-audit >/dev/null || { echo 'make audit needs pip-audit on PATH.' >&2; exit 1; }
	pip-audit --disable-pip --requirement requirements.lock

# Of what is released, not of the test tools: the packages of requirements.lock alone.
$(VENV)/.released: requirements.lock
	$(PYTHON) -m venv --clear $(VENV)/released
	$(VENV)/released/bin/python $(PIP_INSTALL) -r requirements.lock
	@touch $@

licenses: install $(VENV)/.released ## List the licences of the packages that are released
	@$(BIN)/pip-licenses --python=$(VENV)/released/bin/python --ignore-packages pip setuptools --order=license --format=markdown

sbom: install $(VENV)/.released ## Write dist/sbom.json, the bill of materials (CycloneDX)
	@mkdir -p dist
	$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --output-file dist/sbom.json $(VENV)/released/bin/python

image: ## Build the container image `payflow`
	docker build --tag payflow .

release: install sbom ## Build dist/: wheel, notes of TAG=v1.2.3, licences, bill of materials
	$(BIN)/python deploy/release_notes.py $(TAG) > dist/NOTES.md
	$(MAKE) --no-print-directory licenses > dist/licenses.md
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist .

clean: ## Remove .venv and the caches; the data folder stays
	rm -rf $(VENV) dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis mutants
	find $(CODE) tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
