# Everything needed is set up by the first target that needs it: a virtual environment in .venv with the versions of constraints.txt.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test test-slow targets proof chaos plan theory mutation bench lint pictures docs clean

demo: .venv/ready
	$(BIN)/tenfold predict scenarios/demo.yaml --scale 1,10,100
	$(BIN)/tenfold verify scenarios/demo.yaml

test: .venv/dev
	$(BIN)/pytest -m "not slow" --numprocesses auto --dist loadfile

test-slow: .venv/dev
	TENFOLD_EXAMPLES=6 $(BIN)/pytest -m "(slow or hypothesis) and not sockets" --numprocesses auto --dist worksteal
	$(BIN)/pytest -m "slow and sockets" --durations 15

# Gateways of others that the slower tests measure, where they can be had.
targets: .venv/dev
	$(BIN)/python -m loadtest.targets.install haproxy ferrogw redis-server prometheus

# Predictions beside measurements of every gateway that is installed, and of the guide: results/validation/verify.md and guide-live.md. Nothing
# else may run. ONLY=guide-live: the rows of a page, a target, or a pattern of scenarios ('validation/stages/*').
proof: .venv/dev
	$(BIN)/python -m tests.proof $(ONLY)

# Chaos scenarios on the reference gateway and on gateways of others that are installed, predicted and measured: results/validation/chaos.md.
# Nothing else may run. ONLY='library envoy': the rows of a group, a target or a scenario.
chaos: .venv/dev
	$(BIN)/python -m tests.chaos_proof $(ONLY)

# The cheapest configuration that `plan` finds, and one a notch cheaper, measured: results/validation/plan.md. Nothing else may run.
plan: .venv/dev
	$(BIN)/python -m tests.plan_proof

# The model beside queueing theory, whole: results/validation/theory.md (some minutes).
theory: .venv/dev
	$(BIN)/python -m tests.theory

# Wrong versions of the gateway against the tests: results/validation/mutation.md. A sample, half an hour at most; ALL=1: every mutant.
mutation: .venv/dev
	$(BIN)/python -m tests.mutation $(if $(ALL),--all)

bench: .venv/dev
	$(BIN)/python -m tests.benchmarks

# The pictures of docs/background/architecture.md, drawn from the code.
pictures: .venv/dev
	$(BIN)/python -m docs.pictures

# The documentation, in build/docs; the reference is written from the code, and a broken link is refused.
docs: .venv/dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet --config-file docs/site/mkdocs.yml --site-dir $(CURDIR)/build/docs

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.venv/ready: pyproject.toml setup.py constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Tenfold needs Python 3.11 or newer; try: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	$(INSTALL) --editable .
	@touch $@

.venv/dev: .venv/ready
	$(INSTALL) --editable '.[dev]'
	@touch $@

clean:
	rm -rf .venv build *.egg-info
