# Everything a fresh clone can do, with Python 3.10 or newer and its venv module. `make` lists it.
PYTHON ?= python3
BIN := .venv/bin
export OMP_NUM_THREADS ?= 2

.DEFAULT_GOAL := help
.PHONY: help venv demo test check slow clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# One environment, two stamps: what users install, and what developers need on top. Either is renewed with pyproject.toml.
$(BIN)/python:
	@command -v "$(PYTHON)" >/dev/null || { \
	  echo "make: there is no $(PYTHON) on this machine. Install Python 3.10 or newer (Debian: apt install python3 python3-venv)," \
	    "or name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	  echo "make: $(PYTHON) is older than 3.10. Name a newer one: make PYTHON=python3.11" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "make: $(PYTHON) lacks its venv module. Debian: apt install" \
	    "$$("$(PYTHON)" -c 'import sys; print("python3.%d-venv" % sys.version_info[1])')" >&2; exit 1; }
	"$(PYTHON)" -m venv --clear .venv

.venv/.all: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --editable '.[all]'
	@touch $@

.venv/.dev: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --editable '.[dev]'
	@touch .venv/.all $@

venv: .venv/.dev ## make .venv with everything a developer needs

demo: .venv/.all ## the whole job on the built-in model; options: make demo ARGS="--profile tiny"
	$(BIN)/scrubber demo $(ARGS)

test: .venv/.dev ## all tests but the slow ones
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m "not slow" $(ARGS)

check: .venv/.dev ## lint, types, floors, Dockerfile and the fast tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m "not slow and not middle" $(ARGS)

slow: .venv/.dev ## the slow tests: end to end, training, the browser
	$(BIN)/python -m pytest -m slow $(ARGS)

clean: ## remove the environment and the caches; runs are kept
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find scrubber tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
