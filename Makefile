# Everything a newcomer needs: `make demo`, `make test`.
PYTHON ?= python3
BIN := .venv/bin
DEMO ?= demo
PORT ?= 8080
SCALE ?= S
PIP := $(BIN)/pip install --quiet --disable-pip-version-check

.PHONY: demo test bench docs dev check fix evaluate lock clean

# Environment with the locked versions; made again only when the lock changes.
.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(PIP) -r requirements.lock
	$(PIP) --no-deps --no-build-isolation -e .
	touch $@

# What the tests need besides.
.venv/tested: .venv/installed requirements-test.lock
	$(PIP) -r requirements-test.lock
	touch $@

dev: .venv/tested

# Sample company, its figures in the terminal, and the cockpit at the address that is printed.
demo: .venv/installed
	$(BIN)/cadran demo $(DEMO) --serve --port $(PORT)

# Cube's own compiler, which the exported data model is checked with.
tests/cube/node_modules: tests/cube/package.json
	cd tests/cube && npm install --silent --ignore-scripts --no-audit --no-fund
	touch $@

# A grammar of Salesforce's query language, which every query of the connector is checked with.
# A stand-in for Slack, which messages are sent to.
tests/slack/node_modules: tests/slack/package.json
	cd tests/slack && npm install --silent --ignore-scripts --no-audit --no-fund
	touch $@

tests/soql/node_modules: tests/soql/package.json
	cd tests/soql && npm install --silent --ignore-scripts --no-audit --no-fund
	touch $@

# What Pipedrive's own client asks for, and a proxy that holds both sides of a connector to a specification.
tests/prism/node_modules: tests/prism/package.json
	cd tests/prism && npm install --silent --ignore-scripts --no-audit --no-fund
	touch $@

# A client of Outreach by others, which reads the stand-in as a program of its own, beside no library of ours.
tests/outreach/.site: tests/outreach/requirements.txt
	$(PIP) --target $@ --upgrade -r $<
	touch $@

# The quick suite first, then the slow one, then what needs a Spark cluster, which keeps every core busy by itself.
test: .venv/tested tests/cube/node_modules tests/soql/node_modules tests/slack/node_modules tests/prism/node_modules tests/outreach/.site
	$(BIN)/pytest -q -n auto -m "not slow and not browser and not postgres and not spark"
	$(BIN)/pytest -q -n auto --dist loadfile -m "(slow or browser or postgres) and not spark"
	$(BIN)/pytest -q -m spark

# Cadran against other ways of answering the same questions: `make bench SCALE=L`. The others live in an environment of their own.
bench: .venv/tested .cadran-bench/venv/installed
	$(BIN)/python -m benchmarks $(SCALE)

.cadran-bench/venv/installed: benchmarks/requirements.lock
	$(PYTHON) -m venv .cadran-bench/venv
	.cadran-bench/venv/bin/pip install --quiet --disable-pip-version-check -r benchmarks/requirements.lock
	touch $@

# The KPI handbook, in French and in English, from the definitions that come with Cadran.
docs: .venv/installed
	rm -rf docs/handbook
	$(BIN)/cadran handbook --out docs/handbook --project src

# What every change must pass besides the tests.
check: .venv/tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: .venv/tested
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The statistics beside their baselines, on worlds whose truth is known; writes docs/evaluation.md.
evaluate: .venv/tested
	$(BIN)/python -m evaluation $(EVALUATE)

# Newest versions that pyproject.toml allows; run the tests before you keep them.
lock: .venv/tested
	$(PIP) pip-tools
	$(BIN)/python scripts/lock.py

clean:
	rm -rf .venv .cadran-bench $(DEMO)
