# The verbs of this project. `make run` and `make test` are all that a newcomer needs.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
CONFIG ?= config.yaml
SEED   ?= 1
MINUTES ?= 10
ROUNDS  ?= 2
ENGINE = docker
TAG    = bot-exporter
REVISION = $(shell git rev-parse HEAD)

.DEFAULT_GOAL := help
.PHONY: help run setup test fuzz soak check fmt bench docs schema proto image dist audit lock clean

help: ## show the verbs
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

# Stamps: a virtual environment is rebuilt only when a lock file changed.
$(VENV)/.run: requirements/run.txt pyproject.toml
	$(PYTHON) scripts/create_venv.py $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/run.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.run
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/dev.txt
	@touch $@

run: $(VENV)/.run ## run the shipped config.yaml: bots on built-in simulators, no credentials needed
	$(BIN)/bot-exporter --config.file=$(CONFIG) --data.dir=data

setup: $(VENV)/.dev ## install all that development and tests need (Debian packages too, where allowed)
	$(BIN)/python scripts/debian_packages.py
	$(BIN)/python scripts/node_packages.py

# One worker more than processors: half of the time a test waits for other programs.
WORKERS = $(shell echo $$(($$(nproc) + 1)))

test: setup ## run all tests
	$(BIN)/python -m pytest -n $(WORKERS) --dist=worksteal

fuzz: setup ## thousands of requests made from the API's description, of foreign bytes, of faults; SEED=n others (half an hour)
	BOT_EXPORTER_SCHEDULES=400 $(BIN)/python -m pytest -q tests/protocol/test_racetime_schedules.py
	BOT_EXPORTER_FUZZ_EXAMPLES=3000 timeout 20m $(BIN)/python -m pytest -q \
		-W "ignore:extend=lambda:hypothesis.errors.HypothesisDeprecationWarning" \
		tests/unit/test_foreign.py tests/web/test_foreign.py tests/unit/test_config.py tests/unit/platforms
	BOT_EXPORTER_FUZZ=5000 BOT_EXPORTER_FUZZ_SEED=$(SEED) $(BIN)/python -m pytest -q -s tests/e2e/test_fuzz.py

soak: setup ## ten minutes of trouble for 500 bots of both platforms; SEED=n other trouble, MINUTES=n longer
	@mkdir -p build
	$(BIN)/python -m tests.soak --seed $(SEED) --minutes $(MINUTES) --json build/soak.json

check: $(VENV)/.dev ## ruff, mypy --strict, import-linter, generated documents
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m scripts.docs --check
	$(BIN)/python -m dashboards.source --check
	$(BIN)/python scripts/kubernetes.py --check

fmt: $(VENV)/.dev ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev ## measure, beside other programs that do the same work, and write docs/benchmarks.md (27 minutes)
	$(BIN)/python -m benchmarks.everything --rounds $(ROUNDS)

docs: $(VENV)/.dev ## regenerate the documents and dashboards that come from code
	$(BIN)/python -m scripts.docs
	$(BIN)/python -m dashboards.source
	$(BIN)/python scripts/kubernetes.py

schema: $(VENV)/.dev ## make the schema of dashboards from Grafana's own types (needs npm)
	$(BIN)/python scripts/dashboard_schema.py

proto: $(VENV)/.dev ## generate the protobuf module of the Dota 2 messages
	$(BIN)/python scripts/protos.py

# In Podman's own format an image has no HEALTHCHECK; Docker takes no notice of the variable.
image: ## build the image bot-exporter, with Docker; ENGINE=podman with Podman
	BUILDAH_FORMAT=docker $(ENGINE) build --tag $(TAG) --build-arg REVISION=$(REVISION) .

# Anew each time: what lies in dist/ belongs together. The warning is that a lock says nothing of who needs whom.
dist: $(VENV)/.dev ## build what is released: the wheel, and the bill of materials of what is locked for it (CycloneDX)
	rm -rf dist build/lib build/bdist.*
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --no-index --wheel-dir=dist .
	$(BIN)/python -W ignore::UserWarning -m cyclonedx_py requirements requirements/run.txt --pyproject=pyproject.toml --mc-type=application \
	    --spec-version=1.6 --output-reproducible --validate --output-file=dist/bot-exporter.cdx.json
	cd dist && sha256sum * > SHA256SUMS

audit: $(VENV)/.dev ## ask for known vulnerabilities of what is locked (needs the internet)
	$(BIN)/python scripts/audit.py

lock: $(VENV)/.run ## resolve the dependencies anew (one resolver run for all)
	$(BIN)/python scripts/lock.py

clean: ## remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist *.egg-info
