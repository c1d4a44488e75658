# Everything a newcomer needs: `make demo`, `make test`.
PYTHON ?= python3
BIN := .venv/bin
DEMO ?= demo
PORT ?= 8080

.PHONY: demo test dev check fix clean

# Environment with the locked versions; made again only when the lock changes.
.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

dev: .venv/installed

# Sample company, its figures in the terminal, and the cockpit at the address that is printed.
demo: .venv/installed
	$(BIN)/cadran demo $(DEMO) --serve --port $(PORT)

# The quick suite, then the slow ones.
test: .venv/installed
	$(BIN)/pytest -q

# What every change must pass besides the tests.
check: .venv/installed
	$(BIN)/ruff check src tests scripts
	$(BIN)/ruff format --check src tests scripts
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: .venv/installed
	$(BIN)/ruff check --fix src tests scripts
	$(BIN)/ruff format src tests scripts

clean:
	rm -rf .venv $(DEMO)
