# Two commands matter: `make demo` and `make test`. Needs Python 3.11 or newer with venv, and nothing else.
PYTHON ?= python3
VENV ?= .venv
NETWORK ?= efficientnet_lite0
PHOTO ?=
# The default suite. `make test PYTEST_ARGS=` runs everything, the slow tests too.
PYTEST_ARGS ?= -m "not slow and not gpu"
WORKERS ?= 2

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt
# Installed again only when what is to be installed has changed.
PINS := $(shell cat pyproject.toml constraints.txt | cksum | cut -d ' ' -f 1)
DEMO_STAMP := $(VENV)/.striate-demo-$(PINS)
TEST_STAMP := $(VENV)/.striate-test-$(PINS)
# Two workers with one thread each beat one worker with two threads on many small tests.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 NUMBA_NUM_THREADS=1

.DEFAULT_GOAL := help
.PHONY: help demo test check format lint types floors examples docs clean

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(DEMO_STAMP)  ## Explain a real photo with a real network: make demo [PHOTO=cat.jpg] [NETWORK=…]
	@mkdir -p striate-out
	@photo="$(PHOTO)"; if [ -z "$$photo" ]; then photo=striate-out/coffee.png; $(BIN)/python -c \
	  "import pathlib, shutil, skimage; shutil.copyfile(pathlib.Path(skimage.__file__).parent / 'data/coffee.png', '$$photo')"; \
	fi; $(BIN)/striate explain "$$photo" --network $(NETWORK)

test: $(TEST_STAMP)  ## Install what the tests need and run the default suite
	$(ONE_THREAD) $(BIN)/python -m pytest tests -n $(WORKERS) $(PYTEST_ARGS)

check: lint types floors test examples  ## What CI runs: format, lint, types, floors, tests, executed examples

lint: $(TEST_STAMP)  ## Format and lint, changing nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(TEST_STAMP)  ## mypy, strict
	$(BIN)/mypy

floors: $(TEST_STAMP)  ## import-linter: imports point down only
	$(BIN)/lint-imports --no-cache

examples: $(TEST_STAMP)  ## Run the examples in docstrings and documents
	$(ONE_THREAD) $(BIN)/python -m pytest src docs README.md --doctest-modules --doctest-glob='*.md' --ignore=docs/conf.py \
	  --doctest-continue-on-failure -n $(WORKERS)

docs: $(DEMO_STAMP)  ## Build the documentation into build/docs
	@$(PIP) --group docs
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs build/docs
	@echo "build/docs/index.html"

format: $(TEST_STAMP)  ## Format and fix what can be fixed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## Remove what make made, the environment too
	rm -rf $(VENV) build dist striate-out .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Striate needs Python 3.11 or newer: make PYTHON=python3.12 …")'
	$(PYTHON) -m venv $(VENV)

$(DEMO_STAMP): | $(BIN)/python
	@echo "Installing Striate and its pinned dependencies into $(VENV) (a few minutes, once) …" >&2
	@$(PIP) --upgrade pip
	@$(PIP) --editable '.[demo]'
	@rm -f $(VENV)/.striate-demo-* && touch $@

$(TEST_STAMP): $(DEMO_STAMP)
	@echo "Installing what the tests and checks need …" >&2
	@$(PIP) --group dev
	@$(PIP) --no-deps torchvision timm
	@rm -f $(VENV)/.striate-test-* && touch $@
