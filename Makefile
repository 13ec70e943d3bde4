# Every chore is one word; .ci/run uses the same words. Each makes the environment if it is not there.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

EXTRAS := .venv-extras
BUILT := build/dist

.PHONY: demo test isolated-test check smoke kill-test long extras bench results clean

$(INSTALLED): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

demo: $(INSTALLED)  ## 5,000 digits to a verified bundle
	$(BIN)/kdeploy run recipes/mnist-5k.yaml

check: $(INSTALLED)  ## style, types, layers, and what is built
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	rm -rf $(BUILT) *.egg-info  # whose list of files would bring in those of before
	$(BIN)/python -m build --quiet --no-isolation --outdir $(BUILT)  # no isolation: what it needs is in the environment
	$(BIN)/twine check --strict $(BUILT)/*

WORKERS ?= 2

test: check  ## every check and test, by two processes that take a file at a time; WORKERS=1 for one after the other
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --benchmark-disable

isolated-test: $(INSTALLED)  ## make test without network, where all but checkout and TMPDIR is read-only, the home too
	unshare --map-root-user --mount --net $(BIN)/python tests/isolated.py $(MAKE) test

smoke: $(INSTALLED)  ## the whole path on 600 digits
	$(BIN)/kdeploy run recipes/tiny.yaml

KILLS ?= 20

kill-test: $(INSTALLED)  ## 20 kills over all stages, 3 inside of them, some of sweeps; the results must be equal
	$(BIN)/python tests/kill.py --kills $(KILLS)

long: $(INSTALLED)  ## 200 random nets compared over three runtimes, and 6,000 fuzzed inputs; about 50 minutes
	$(BIN)/python -m pytest -m long --timeout 7200 -rP  # -rP: the tables of what was tried

extras:  ## every extra in one environment: doctor must be content there, and every runtime keep its contract
	$(PYTHON) -m venv $(EXTRAS)
	$(EXTRAS)/bin/python -m pip install --quiet --upgrade pip
	$(EXTRAS)/bin/python -m pip install --quiet --editable \
	  '.[dev,executorch,litert,ncnn,nncf,tract,timm,torchvision,huggingface]'
	npm install --silent --no-save --ignore-scripts --prefix $(EXTRAS) onnxruntime-web@1.30
	KDEPLOY_NODE_MODULES=$(EXTRAS)/node_modules $(EXTRAS)/bin/kdeploy doctor --strict
	# LiteRT wants an older typing-extensions, with which comes an anyio whose pytest plugin warns
	KDEPLOY_NODE_MODULES=$(EXTRAS)/node_modules $(EXTRAS)/bin/python -m pytest -p no:anyio \
	  tests/runtimes tests/stages/export/test_formats.py tests/verbs/test_doctor.py tests/verbs/test_external_models.py

bench: $(INSTALLED)  ## pytest-benchmark: teacher and student on each runtime, and the hot paths of a training
	$(BIN)/python -m pytest benchmarks --benchmark-only --benchmark-group-by=group

results: $(INSTALLED)  ## write benchmarks/RESULTS.md from a run of recipes/mnist-5k.yaml
	$(BIN)/kdeploy run recipes/mnist-5k.yaml
	$(BIN)/python benchmarks/results.py mnist-5k

clean:
	rm -rf $(VENV) $(EXTRAS) .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks build *.egg-info
