# Each target is alone enough on a fresh clone: it makes .venv, installs, runs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast bench lint format clean

help:  ## List the targets.
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  \1\t/'

$(INSTALLED): pyproject.toml .ci/constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Expected Python 3.11 or newer, got $$($(PYTHON) --version) ($(PYTHON)). Name another: make PYTHON=python3.12 ..." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint .ci/constraints.txt --editable '.[torch,cluster,dev]'
	@touch $@

demo: $(INSTALLED)  ## Compress a trained LeNet-5 in three ways and open the question: who is hurt?
	$(BIN)/compress-onnx demo

test: $(INSTALLED)  ## Run every test, the slow ones too.
	$(BIN)/python -m pytest --numprocesses auto

test-fast: $(INSTALLED)  ## Run the tests that take under two minutes together.
	$(BIN)/python -m pytest -m 'not slow' --numprocesses auto

bench: $(INSTALLED)  ## Measure speed and memory against ONNX Runtime's own tools (minutes, on a quiet machine).
	$(BIN)/python tests/benchmarks

lint: $(INSTALLED)  ## Check format, style, types and the direction of imports.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(INSTALLED)  ## Format and repair what can be repaired.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:  ## Remove the environment and caches.
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
