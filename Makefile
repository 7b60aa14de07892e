.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
export TZ := UTC

.PHONY: help demo test check ui bench reliability format lock dictionary migration

help: ## Show what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --compile-bytecode \
		--requirement requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	$(BIN)/python -m compileall -q cs_apps cs_assets cs_resources cs_schedules
	@touch $@

demo: $(STAMP) ## Make sample data, run every system over it, show what came out
	@$(BIN)/cs demo

test: $(STAMP) ## Run all tests (servers that are missing are skipped by name)
	$(BIN)/python -m pytest -n auto --dist loadfile

check: $(STAMP) ## Format, lint and type-check
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

ui: $(STAMP) ## Open Dagster's UI on the installation
	@$(BIN)/cs ui

bench: $(STAMP) ## Measure speed and memory
	$(BIN)/python -m benchmarks.calls
	$(BIN)/python -m benchmarks.servers
	$(BIN)/python -m benchmarks.health

reliability: $(STAMP) ## Make every fault, write docs/reliability.md (needs the servers)
	CS_REQUIRE_SERVICES=1 $(BIN)/python -m tests.faults.reliability

format: $(STAMP) ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

dictionary: $(STAMP) ## Write docs/data-dictionary.md from the contracts
	$(BIN)/python -m cs_apps.dictionary

migration: $(STAMP) ## Write the migration that the contracts ask for (MESSAGE="what changes")
	$(BIN)/python -m cs_apps.migration "$(MESSAGE)"
	$(BIN)/ruff format --quiet deploy/migrations

lock: $(STAMP) ## Renew requirements.lock from pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --extra dev \
		--no-header --no-annotate --no-emit-index-url --no-emit-find-links \
		--output-file requirements.lock pyproject.toml
