# Meldeweg. `make help` lists what there is.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ONCE ?=
SECONDS ?= 60
TARGET ?=
# Two rows of tests, alike in length: what starts whole stacks; and what needs no real parts, then what needs
# a broker or a database alone and mostly waits. ROW,name,command: what it says, and at last how it ended.
STACKS := tests/e2e $(addprefix tests/integration/,doctor gateway local registry)
BESIDE := tests/unit tests --ignore=tests/check $(STACKS:%=--ignore=%)
ROW = ( $(2); echo "$(1): exit $$?" )
# Many brokers live for a moment each, and their second compiler costs more than it gives (decision 27).
test: export MELDEWEG_JAVA_OPTIONS ?= -XX:TieredStopAtLevel=1
LOGS := checks.log beside.log stacks.log
DISTRICT ?= kreis-viersen
.DEFAULT_GOAL := help

help:  ## what there is
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):[^#]*## /\1\t/' | awk -F'\t' '{printf "  make %-13s %s\n", $$1, $$2}'

venv: $(VENV)/.ready  ## build .venv alone

$(VENV)/.ready: requirements.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Meldeweg needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: venv  ## start the backbone, tell the main story; stays up until Ctrl-C (ONCE=1: ends by itself)
	$(BIN)/meldeweg demo --district $(DISTRICT) $(if $(ONCE),--once)

test: venv  ## every check and every test, on real parts, in two rows side by side
	@mkdir -p .cache; (cd .cache && rm -f $(LOGS)); trap 'kill 0' INT; \
	( $(call ROW,checks,make --no-print-directory check) > .cache/checks.log 2>&1; \
	  $(call ROW,beside,$(BIN)/python -m pytest $(BESIDE)) > .cache/beside.log 2>&1 ) & \
	$(call ROW,stacks,$(BIN)/python -m pytest $(STACKS)) 2>&1 | tee -i .cache/stacks.log; \
	wait; cd .cache; cat checks.log beside.log; echo; echo "Skipped or failed, and how each row ended:"; \
	grep -hE '^(SKIPPED|FAILED|ERROR)' $(LOGS); tail -qn 2 $(LOGS); \
	test "$$(tail -qn 1 $(LOGS) | grep -c ': exit 0$$')" = 3

check: venv  ## format, lint, types, import rules, generated files, docs
	$(BIN)/ruff format --check services tests
	$(BIN)/ruff check services tests
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/check

fuzz: venv $(VENV)/.fuzz  ## look for defects in every parser of foreign bytes (SECONDS=60 for each, TARGET=one)
	$(BIN)/python tests/fuzz/campaign.py --seconds $(SECONDS) $(if $(TARGET),--target $(TARGET))

$(VENV)/.fuzz: tests/fuzz/requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

faults: venv  ## break everything under load, check that nothing was lost or hidden: every fault once (MINUTES, HOURS, SEED, ONLY)
	PYTHONPATH=tests $(BIN)/python -m faults

bench: venv  ## what the path costs, each figure beside its aim (QUICK=1 about 3 min; ONLY, MESSAGES, ROWS, ENTRIES)
	PYTHONPATH=tests $(BIN)/python -m bench

vectors: venv  ## derive our own test vectors again; fails when the committed ones differ
	$(BIN)/python tests/vectors/make_sealed.py
	$(BIN)/python tests/vectors/make_way.py
	PYTHONPATH=tests $(BIN)/python -m vectors.make_refused
	PYTHONPATH=tests $(BIN)/python -m vectors.make_log
	$(BIN)/python tests/vectors/make_policy.py
	$(BIN)/python tests/vectors/make_holidays.py
	git diff --exit-code --stat tests/vectors services/meldeweg/kernel/holidays.json

PINS := --quiet --generate-hashes --no-emit-index-url --no-header
requirements:  ## pin the dependencies again, with hashes
	$(BIN)/uv pip compile --universal --python-version 3.11 $(PINS) --all-extras --group dev pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile --python-version 3.13 --python-platform linux $(PINS) -c requirements.txt --extra image pyproject.toml -o deploy/requirements.txt
	echo atheris | $(BIN)/uv pip compile --python-version 3.11 --python-platform linux $(PINS) - -o tests/fuzz/requirements.txt
	echo hatchling | $(BIN)/uv pip compile --python-version 3.13 --python-platform linux $(PINS) -c requirements.txt - -o deploy/requirements-build.txt

clean:  ## remove what was built
	rm -rf $(VENV) .cache .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist

.PHONY: help venv demo test check faults fuzz bench vectors requirements clean
