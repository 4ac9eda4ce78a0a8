# The whole of it: `make quickstart`, `make test`. Each sets up .venv by itself; only Python 3.11+ is needed.
SHELL := /bin/bash
.DEFAULT_GOAL := help
ARGS ?=
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do "$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)
BIN := .venv/bin
READY := .venv/.ready

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements/dev.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Angarium needs Python 3.11 or newer (make PYTHON=/path/to/python3)"; exit 1; }
	@test -x $(BIN)/python || "$(PYTHON)" -m venv .venv || { rm -rf .venv; echo "python3 -m venv failed: on Debian, apt install python3-venv"; exit 1; }
	@echo "setting up .venv (once, about a minute)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

setup: $(READY) ## make .venv with everything in it

quickstart: $(READY) ## see a notification accepted, retried and delivered (ARGS=--once to exit after it)
	@$(BIN)/angarium quickstart $(ARGS)

test: $(READY) ## all tests that run on this machine
	@$(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

check: $(READY) ## lint, types, import contracts, generated files fresh
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python -m angarium.resources.crds --check crds helm/angarium/files/crds
	@$(BIN)/python -m helm.generate --check
	@$(BIN)/python -m angarium.telemetry.dashboards --check helm/angarium/files/dashboards

format: $(READY) ## let ruff format and mend what it can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

crds: $(READY) ## write crds/*.yaml from the models
	@$(BIN)/python -m angarium.resources.crds --write crds helm/angarium/files/crds

chart: $(READY) ## write the chart's table of values and its closed networks
	@$(BIN)/python -m helm.generate --write

dashboards: $(READY) ## write the chart's Grafana dashboards from their declarations
	@$(BIN)/python -m angarium.telemetry.dashboards --write helm/angarium/files/dashboards

.bench/.ready: requirements/bench.txt requirements/bench-arq.txt | $(READY)
	@echo "setting up .bench (once): the libraries that it compares with"
	@for peers in bench bench-arq; do \
	  $(BIN)/python -m venv .bench/$$peers && .bench/$$peers/bin/python -m pip install --quiet --disable-pip-version-check \
	    --require-hashes --only-binary :all: -r requirements/$$peers.txt || exit 1; done
	@touch $@

bench: $(READY) .bench/.ready ## speed as ratios to baselines, a quarter of an hour (ARGS="--quick", "--only deliverer", "--json")
	@$(BIN)/python -m tests.benchmarks $(ARGS)

chaos: $(READY) ## the promises under attack: kills, cuts, clocks (ARGS="--notifications 5000 --seed 7")
	@$(BIN)/python -m tests.chaos $(ARGS)

scale: $(READY) ## the operator with 10,000 Callbacks on a real API server: memory, start, restart (ARGS="--callbacks 1000")
	@$(BIN)/python -m tests.scale $(ARGS)

e2e: $(READY) ## chart, images and suffering pods on a real cluster (KUBECONFIG, or kind when Docker is there; ARGS="--only pod-chaos")
	@tests/e2e/run $(ARGS)

lock: ## pin all dependencies again (needs uv)
	@for extra in dev operator gateway deliverer; do \
	  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	    --extra $$extra pyproject.toml -o requirements/$$extra.txt; done
	@for pair in 'hatchling requirements/build.txt' 'standardwebhooks tests/e2e/pods/requirements.txt'; do set -- $$pair; \
	  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	    --no-annotate --constraint requirements/dev.txt - -o $$2 <<< $$1; done
	@for group in bench bench-arq; do \
	  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	    --no-annotate --group $$group -o requirements/$$group.txt; done

clean: ## forget .venv and all that was built
	@rm -rf .venv .bench .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build

.PHONY: help setup quickstart test check format crds chart dashboards bench chaos scale e2e lock clean
