# One word a task. `make` alone says what there is.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PYTEST  = $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal

# All rooms under one import root, as setup.cfg installs them: so mypy sees what one room asks of another.
ROOMS := pretrain benchmarks knowledge_bases
TYPED := build/typed

.DEFAULT_GOAL := help
.PHONY: help setup demo check test lint bench docs

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.installed ## Make the environment and install the package into it

demo: $(VENV)/.installed ## Classify the photographs in examples/, and compare with their labels
	HF_HUB_OFFLINE=1 $(BIN)/zsderm classify --images examples/images --classes examples/classes.txt \
	    --labels examples/labels.csv --output predictions.csv --report report.html
	HF_HUB_OFFLINE=1 $(BIN)/zsderm evaluate --predictions predictions.csv \
	    --labels examples/labels.csv --classes examples/classes.txt

check: $(VENV)/.installed-test lint ## Lint, and the quick tests of the library: for work in progress
	$(PYTEST) -m "not slow" $(addprefix --ignore=tests/,notebooks benchmarks pretrain)

test: $(VENV)/.installed-test ## Run the whole test suite
	$(PYTEST)

lint: $(VENV)/.installed-lint ## Check style (ruff) and types (mypy)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@rm -rf $(TYPED) && mkdir -p $(TYPED)/zsderm
	@cd $(TYPED)/zsderm && ln -s ../../../zsderm/* $(addprefix ../../../,$(ROOMS)) .
	$(BIN)/mypy

bench: $(VENV)/.installed-serve ## Measure speed, each beside a named peer in the same run
	$(BIN)/python -m zsderm.benchmarks.speed.index
	$(BIN)/python -m zsderm.benchmarks.speed.serve --seconds 20 --images 120 --memory-images 500

docs: $(VENV)/.installed ## Write docs/cli.md from what --help says
	@mkdir -p docs
	$(BIN)/python -m zsderm.cli.manual > docs/cli.md

# The stamps stand for the environment: a change of setup.cfg installs again, a change of code needs nothing (editable).
$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: setup.cfg setup.py pyproject.toml | $(BIN)/python
	$(BIN)/pip install --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.installed-%: $(VENV)/.installed
	$(BIN)/pip install --disable-pip-version-check --editable '.[$*]'
	@touch $@
