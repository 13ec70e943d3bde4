# Every chore is one word; .ci/run uses the same words. Each makes the environment if it is not there.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: demo test check smoke kill-test long bench results clean

$(INSTALLED): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

demo: $(INSTALLED)  ## 5,000 digits to a verified bundle
	$(BIN)/kdeploy run recipes/mnist-5k.yaml

check: $(INSTALLED)  ## style, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

test: check  ## every check and test
	$(BIN)/python -m pytest

smoke: $(INSTALLED)  ## the whole path on 600 digits
	$(BIN)/kdeploy run recipes/tiny.yaml

kill-test: $(INSTALLED)  ## 20 kills over all stages, 3 inside of them; the results must be equal
	$(BIN)/python tests/kill.py

long: $(INSTALLED)  ## 200 random nets exported and compared over three runtimes; about 10 minutes
	$(BIN)/python -m pytest -m long --timeout 3600

bench: $(INSTALLED)  ## pytest-benchmark: teacher and student on each runtime
	$(BIN)/python -m pytest benchmarks --benchmark-only --benchmark-group-by=group

results: $(INSTALLED)  ## write benchmarks/RESULTS.md from a run of recipes/mnist-5k.yaml
	$(BIN)/kdeploy run recipes/mnist-5k.yaml
	$(BIN)/python benchmarks/results.py mnist-5k

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks build *.egg-info
