# make demo · make test · make lint · make bench
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := UV_PYTHON_DOWNLOADS=never VIRTUAL_ENV=$(abspath $(VENV)) $(BIN)/uv

# Tests wait for other processes much of the time, so that twice as many workers as cores pay.
WORKERS ?= 4

# The tests start hundreds of processes, and without bytecode at hand each takes twice as long to start.
unexport PYTHONDONTWRITEBYTECODE

MANIFESTS := pyproject.toml $(wildcard plugins/*/pyproject.toml) $(wildcard core/packaging/*.py)

help: ## Show what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1|/' | column -t -s '|'

$(VENV)/.tools: requirements-tools.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "reelkit needs Python 3.11 or newer; name one: make PYTHON=python3.12 …"; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
		|| { echo "Python cannot make environments; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-tools.lock
	@touch $@

$(VENV)/.run: $(VENV)/.tools requirements.lock $(MANIFESTS)
	@echo "Installing what reelkit runs on …"
	@$(UV) pip install --quiet --compile-bytecode --require-hashes -r requirements.lock
	@$(UV) pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.run requirements-test.lock
	@echo "Installing what the tests run on …"
	@$(UV) pip install --quiet --require-hashes -r requirements-test.lock
	@touch $@

env: $(VENV)/.test player ## Make the environment with everything in it

lock: $(VENV)/.tools ## Compile the hashed requirement files anew
	$(UV) pip compile --quiet --generate-hashes --universal --no-emit-index-url --no-annotate --no-header \
		--python-version 3.11 pyproject.toml --extra s3 --extra workers --group build -o requirements.lock
	$(UV) pip compile --quiet --generate-hashes --universal --no-emit-index-url --no-annotate --no-header \
		--python-version 3.11 -c requirements.lock --group test -o requirements-test.lock
	echo uv | $(UV) pip compile --quiet --generate-hashes --universal --no-emit-index-url --no-annotate --no-header \
		--python-version 3.11 - -o requirements-tools.lock

player: $(VENV)/.run
	@$(BIN)/python core/packaging/javascript.py

demo: $(VENV)/.run player ## Start a site, upload a video and play it (VIDEO=path, ONCE=1, PORT=8000)
	@$(BIN)/python sites/demo/demo.py $(if $(VIDEO),--video "$(VIDEO)") $(if $(ONCE),--once) $(if $(PORT),--port $(PORT))

lint: $(VENV)/.test ## Check style and types
	@$(BIN)/ruff check --no-cache .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

test: $(VENV)/.test player ## Run everything: lint, types, tests (ARGS="-k upload", WORKERS=4)
	@$(BIN)/ruff check --no-cache .
	@$(BIN)/ruff format --check .
	@# Types are checked beside the tests, which wait for other processes much of the time.
	@$(BIN)/mypy >$(VENV)/types.log 2>&1 & types=$$!; \
	$(BIN)/python -m reelkit.testing.browser \
		&& $(BIN)/pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS); tests=$$?; \
	wait $$types; types=$$?; cat $(VENV)/types.log; \
	if [ $$tests = 1 ]; then \
		echo "What failed is run once more, alone: was it the machine, busy with the other tests, or is it the code?"; \
		$(BIN)/pytest --last-failed --last-failed-no-failures none --maxfail 5 $(ARGS); tests=$$?; \
	fi; \
	exit $$(( tests ? tests : types ))

bench: $(VENV)/.test player ## Measure speed and memory beside their baselines (ONLY=upload)
	@$(BIN)/python -m tests.bench $(if $(ONLY),--only "$(ONLY)")

.PHONY: help env lock demo lint test bench player
