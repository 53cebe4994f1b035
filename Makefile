# Needs Python 3.11 or newer and make: no root, no Docker. `make` alone lists what there is.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCK := requirements/development.lock
INSTALLED := $(VENV)/.installed
LOADERS := $(VENV)/.loaders
UV := build/uv/bin/uv
# uv does not read pip's configuration: name another index in UV_DEFAULT_INDEX.
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--custom-compile-command "make lock" $(if $(UPGRADE),--upgrade)
BUILD_REQUIRES := $(PYTHON) -c 'import tomllib; \
	print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")'

.DEFAULT_GOAL := help
.PHONY: help install demo test test-fast coverage check format bench soak matrix lock clean python
.DELETE_ON_ERROR:

help: ## list what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

install: $(INSTALLED) ## set up .venv from the hashed lock; .venv/bin/booktape is the command

demo: $(INSTALLED) ## the whole way on this machine: simulated exchanges to published data sets, proven complete
	$(BIN)/booktape demo

test: $(LOADERS) ## all tests, against a real Redis and the emulated AWS; ARGS go to pytest
	$(BIN)/pytest -n 3 --dist loadfile $(ARGS)

# The rooms without I/O, and the tests of others that need neither a process nor a socket.
FAST := tests/model tests/analytics tests/exchanges tests/config tests/store tests/test_names.py \
	tests/capture/test_batcher.py tests/capture/test_pipeline.py tests/capture/test_subscriptions.py

test-fast: $(INSTALLED) ## the tests of the pure rooms, in under a minute
	$(BIN)/pytest -n 2 --dist loadfile -q $(FAST) $(ARGS)

# Branches of the rooms on which trust in the data rests. Coverage slows tests down, so `make test` goes without.
coverage: $(INSTALLED) ## branch coverage of model, integrity, merge and publish; fails under 95 %
	$(BIN)/pytest -n 2 --dist loadfile -q --cov=booktape.model --cov=booktape.integrity --cov=booktape.merge \
		--cov=booktape.publish --cov-branch --cov-report=term:skip-covered --cov-fail-under=95 \
		tests/model tests/integrity tests/merge tests/publish tests/capture tests/archive tests/rest \
		tests/cli/test_verify.py tests/golden $(ARGS)

check: $(INSTALLED) ## lint, format, types, import layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(INSTALLED) ## put all code into the one format, and fix what lint can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(INSTALLED) ## what a message and a night's merge cost, beside a floor and cryptofeed; ARGS=--json for programs
	$(BIN)/python -m bench $(ARGS)

soak: $(INSTALLED) ## ten minutes of 5,000 streams, cut and handed over, held against what was sent; ARGS="--minutes 1"
	$(BIN)/python -m sandbox.soak $(ARGS)

matrix: $(INSTALLED) ## what goes wrong at three exchanges, and whether the certificates say exactly what that cost
	$(BIN)/python -m sandbox.matrix $(ARGS)

lock: $(UV) ## write requirements/*.lock anew after a change in pyproject.toml; UPGRADE=1 takes newer versions
	$(BUILD_REQUIRES) | $(COMPILE) pyproject.toml - --extra app --output-file requirements/production.lock
	$(COMPILE) pyproject.toml --extra dev --extra loaders --constraint requirements/production.lock \
		--override requirements/overrides.txt --output-file requirements/loaders.lock
	$(BUILD_REQUIRES) | $(COMPILE) pyproject.toml - --extra dev --constraint requirements/loaders.lock \
		--output-file $(LOCK)

clean: ## remove .venv and everything else that was made here; recorded data stays
	rm -rf $(VENV) build dist .demo *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Booktape needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1)." >&2; \
		echo "Name another one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; \
		exit 1; }

$(INSTALLED): $(LOCK) pyproject.toml | python
	@echo "Setting up $(VENV) from $(LOCK) (takes a while the first time)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement $(LOCK)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# Programs of others that read what Booktape publishes: large, and only the tests need them.
$(LOADERS): $(INSTALLED) requirements/loaders.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
		--requirement requirements/loaders.lock && touch $@ || \
		echo "Some program of requirements/loaders.lock has no wheel for this machine: its tests are skipped." >&2

$(UV): | python
	$(PYTHON) -m venv build/uv
	build/uv/bin/pip install --quiet --disable-pip-version-check uv
