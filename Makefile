# Everything runs in .venv, which the first target that needs it makes and fills.

PYTHON ?= python3
ARGS =

BIN := .venv/bin
STAMP := .venv/installed
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --quiet
PYTEST := $(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist worksteal

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run check test slow docs bench fuzz verdicts reference lint types lock clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo '  ARGS="..."         more arguments for run, check, test, slow, docs, bench, fuzz, verdicts, reference and lock'
	@echo '  PYTHON=python3.12  the Python that a new .venv is made with'

run: $(STAMP) ## run the default study into results/poster/
	@$(BIN)/pullfactory run $(ARGS)

check: lint types ## lint, types and the tests near a change, in a minute or so
	@near=$$($(BIN)/python tests/near.py) && { \
		test -z "$$near" || $(PYTEST) -m 'not slow' $(ARGS) $$near || test $$? -eq 5; }  # all slow

test: $(STAMP) ## run the tests but for the long statistical ones
	@$(PYTEST) -m 'not slow' $(if $(ARGS),,--junit-xml build/tests.xml) $(ARGS)

slow: $(STAMP) ## run the long statistical tests
	@$(PYTEST) -m slow $(ARGS)

docs: $(STAMP) ## build the documentation into build/docs/
	@$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet --jobs auto --conf-dir docs \
		--doctree-dir build/doctrees --builder html . build/docs $(ARGS)
	@echo 'Documentation   build/docs/index.html'

bench: $(STAMP) ## measure speed and memory, about a quarter of an hour
	@$(BIN)/python -m benchmarks $(ARGS)

fuzz: $(STAMP) ## read 10 000 spoilt inputs and run 100 commands on them, about half an hour
	@$(BIN)/python -m tests.fuzz $(ARGS)

verdicts: $(STAMP) ## ask audits whose truth is known, about an hour
	@$(BIN)/python -m benchmarks.verdicts $(ARGS)

reference: $(STAMP) ## ask what is known from elsewhere, about five minutes
	@$(BIN)/python -m reference $(ARGS)

lint: $(STAMP) ## check style and format
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

types: $(STAMP) ## check types
	@$(BIN)/mypy

lock: $(STAMP) ## pin the versions again (ARGS=--upgrade: newest ones)
	@$(BIN)/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 \
		--fork-strategy fewest --no-annotate --no-config --quiet \
		--custom-compile-command 'make lock' --output-file requirements.lock $(ARGS)

clean: ## remove .venv, caches and builds; results stay
	@rm -rf .venv dist build .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A healthy .venv is kept, a broken one made anew. The stamp comes last, so an
# interrupted installation is taken up again by the next call.
$(STAMP): requirements.lock pyproject.toml src/pullfactory/__init__.py
	@rm -f $@
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { \
		$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
			echo "pullfactory needs Python 3.11 or newer, but $(PYTHON) is: $$($(PYTHON) --version 2>&1)" >&2; \
			echo "Name another one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; \
			exit 1; }; \
		echo 'Making .venv ...'; \
		$(PYTHON) -m venv --clear .venv; }
	@echo 'Installing the pinned dependencies (the first time takes a minute or two) ...'
	@$(PIP) --requirement requirements.lock
	@echo 'Installing pullfactory ...'
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@
