# make rehearse: the whole crawl, simulated.  make test: every test.  Both make .venv where it is missing.
.DEFAULT_GOAL := help
.PHONY: help rehearse test test-quick check install-check release-check container-check docs docs-serve pictures soak fuzz-crawl bench bench-peers airflow lock clean

# Many short processes: each would compile what it imports anew.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
# Re-made when what it was made from has changed.
READY := $(VENV)/.ready
SPARK_LOCK := tests/spark/requirements.lock
SPARK_READY := $(VENV)/.spark-ready
JAVA_17 = $(shell java -version 2>&1 | awk -F'[".]' '/ version "/ && $$2 >= 17 { print "yes" }')
# Three for two processors: some tests wait for a minute's end or a late answer. By halves of the suite at first, so that
# servers that many tests share are started by one worker, then whoever is done takes over from the others.
PARALLEL := --numprocesses 3 --dist worksteal
# Other tools want other versions of what harvester uses.
PEERS := .venv-peers
# Without those that watch a process's memory: a sixth of the time.
QUICK := tests/unit --ignore tests/unit/export/test_export_process.py --ignore tests/unit/export/test_export_memory.py
AIRFLOW := .venv-airflow
SITE := .venv-docs
RELEASE := .venv-release

# All that a lock file pins. uv is one of them and does it in a tenth of pip's time; it knows none of pip's settings, so
# where it reaches no index, pip does it.
define install
	awk '/^[^ ]/ { of_uv = /^uv==/ } of_uv' $(1) > $(VENV)/uv.txt
	$(BIN)/pip install --quiet --require-hashes --requirement $(VENV)/uv.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --requirement $(1) || \
		$(BIN)/pip install --quiet --require-hashes --requirement $(1)
endef

help:
	@echo "make rehearse   the whole multi-day crawl against the simulated API: no key, no account"
	@echo "make test       every test"
	@echo "make test-quick those that need no server, no browser and no kill: those of tests/unit, but for memory"
	@echo "make check      lint, format, types, and known vulnerabilities of the dependencies"
	@echo "make install-check   builds the wheel and installs it with stock pip, without the lock file"
	@echo "make release-check   what is to be released: twine, pip, uv, pipx, each Python here, a list of components"
	@echo "make container-check   the Containerfile, on a Debian made from its packages: root, mmdebstrap, buildah"
	@echo "make docs       the documentation site, into site/; make docs-serve shows it while you write"
	@echo "make pictures   those of the documentation, from a real session"
	@echo "make soak       two weeks of cron on a machine that keeps dying; SEED=7 replays one, DATABASE=postgres on a server"
	@echo "make fuzz-crawl 10,000 small crawls in virtual time, each from a seed; SEED=7 replays one, DATABASE=postgres on a server"
	@echo "make bench      measurements"
	@echo "make bench-peers   crawling speed beside Scrapy, crawlee and others, in an environment of their own"
	@echo "make airflow    the example DAG under a real Airflow, in an environment of its own (300 MB)"
	@echo "make lock       resolve the dependencies anew into requirements.lock"
	@echo "make clean      remove what the others made"

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("harvester needs Python 3.11 or later: make PYTHON=/path/to/python3.11" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(call install,requirements.lock)
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

rehearse: $(READY)
	$(BIN)/harvester rehearse

# Spark reads what is exported, where there is a Java for it; elsewhere those tests are skipped, saying so. It comes
# as sources, which are built by the setuptools that is there.
$(SPARK_READY): $(SPARK_LOCK) $(READY)
	$(BIN)/pip install --quiet --require-hashes --no-build-isolation --requirement $(SPARK_LOCK)
	@touch $@

.SECONDEXPANSION:
test: $(READY) $$(if $$(JAVA_17),$$(SPARK_READY))
	$(BIN)/pytest $(PARALLEL)

test-quick: $(READY)
	$(BIN)/pytest $(PARALLEL) $(QUICK)

# The audit waits for the network, the others for the processor.
check: $(READY)
	@$(BIN)/python .ci/audit.py & audit=$$!; set -x; \
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy; code=$$?; \
	wait $$audit && exit $$code

# Needs no environment of the checkout's: it makes a new one, as whoever installs this does.
install-check:
	$(PYTHON) .ci/install_check.py

$(RELEASE)/.ready: .ci/release/requirements.lock
	$(PYTHON) -m venv $(RELEASE)
	$(RELEASE)/bin/pip install --quiet --require-hashes --requirement .ci/release/requirements.lock
	@touch $@

release-check: $(READY) $(RELEASE)/.ready
	$(BIN)/python .ci/audit.py
	$(RELEASE)/bin/python .ci/release/check.py

container-check: $(READY)
	$(BIN)/python .ci/container_check.py

$(SITE)/.ready: docs/site/requirements.lock
	$(PYTHON) -m venv $(SITE)
	$(SITE)/bin/pip install --quiet --require-hashes --requirement docs/site/requirements.lock
	@touch $@

# Strict: a link that leads nowhere ends it. (The variable silences an advertisement.)
docs: $(SITE)/.ready
	NO_MKDOCS_2_WARNING=1 $(SITE)/bin/mkdocs build --strict --quiet

docs-serve: $(SITE)/.ready
	NO_MKDOCS_2_WARNING=1 $(SITE)/bin/mkdocs serve --strict --dev-addr 127.0.0.1:8000

# Made anew when what a terminal or the report shows has changed; they are kept in docs/pictures.
pictures: $(READY) $(SITE)/.ready
	$(SITE)/bin/python docs/site/pictures.py $(BIN)/harvester

soak: $(READY)
	$(BIN)/python tests/soak/soak.py $(if $(SEED),--seed $(SEED)) $(if $(DATABASE),--database $(DATABASE))

fuzz-crawl: $(READY)
	$(BIN)/python tests/fuzz/fuzz_crawl.py $(if $(SEED),--seed $(SEED)) $(if $(DATABASE),--database $(DATABASE))

bench: $(READY)
	$(BIN)/python -m benchmarks

$(PEERS)/.ready: benchmarks/peers/requirements.lock
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/pip install --quiet --require-hashes --requirement benchmarks/peers/requirements.lock
	@touch $@

bench-peers: $(READY) $(PEERS)/.ready
	$(BIN)/python -m benchmarks.peers_run $(if $(CALLS),--calls $(CALLS)) $(if $(JSON),--json $(JSON))

$(AIRFLOW)/.ready: tests/dag/requirements.lock
	$(PYTHON) -m venv $(AIRFLOW)
	$(AIRFLOW)/bin/pip install --quiet --require-hashes --requirement tests/dag/requirements.lock
	@touch $@

airflow: $(READY) $(AIRFLOW)/.ready
	$(AIRFLOW)/bin/python tests/dag/check_dag.py $(BIN)/harvester

lock: $(READY)
	$(BIN)/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 \
		--generate-hashes --no-header --no-emit-index-url --no-emit-find-links --output-file requirements.lock
	$(BIN)/uv pip compile --group pyproject.toml:spark --constraint requirements.lock --universal --python-version 3.11 \
		--generate-hashes --no-header --no-emit-index-url --no-emit-find-links --output-file $(SPARK_LOCK)
	$(BIN)/uv pip compile benchmarks/peers/requirements.in --universal --python-version 3.11 \
		--generate-hashes --no-header --no-emit-index-url --no-emit-find-links --output-file benchmarks/peers/requirements.lock
	$(BIN)/uv pip compile tests/dag/requirements.in --universal --python-version 3.11 \
		--generate-hashes --no-header --no-emit-index-url --no-emit-find-links --output-file tests/dag/requirements.lock
	$(BIN)/uv pip compile docs/site/requirements.in --universal --python-version 3.11 \
		--generate-hashes --no-header --no-emit-index-url --no-emit-find-links --output-file docs/site/requirements.lock
	$(BIN)/uv pip compile .ci/release/requirements.in --universal --python-version 3.11 \
		--generate-hashes --no-header --no-emit-index-url --no-emit-find-links --output-file .ci/release/requirements.lock

clean:
	rm -rf $(VENV) $(PEERS) $(AIRFLOW) $(SITE) $(RELEASE) site build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
