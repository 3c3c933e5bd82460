# Everything a developer does here, by name. `make` alone lists it.
SHELL := bash
.DEFAULT_GOAL := help

MUSTER_HTTP_ADDR ?= 127.0.0.1:8500
MUSTER_DATA_DIR ?= ./muster-data

SEEDS ?= 1000000
QUICK_SEEDS ?= 100

.PHONY: help run dev test quick long sim check advisories fmt build bench loadtest instructions faults image image-check start stop smoke seed

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{ printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## Build a release and serve on :8500 with the embedded store, until Ctrl-C
	@echo "muster listens on http://$(MUSTER_HTTP_ADDR) and keeps its registry in $(MUSTER_DATA_DIR). Try in another terminal:"
	@echo "  curl -X PUT -d '{\"Name\":\"web\",\"Port\":8080}' http://$(MUSTER_HTTP_ADDR)/v1/agent/service/register"
	@echo "  curl http://$(MUSTER_HTTP_ADDR)/v1/health/service/web"
	@exec "$${CARGO_TARGET_DIR:-target}/release/muster" agent --http-addr $(MUSTER_HTTP_ADDR) --data-dir $(MUSTER_DATA_DIR)

dev: ## Serve a debug build from memory, logging much
	cargo run -- agent --dev --http-addr $(MUSTER_HTTP_ADDR)

build: ## Build the release binaries: muster, and the load generator
	cargo build --release

test: ## Install what the tests need, then formatting, lints and every test; ends in the count
	@scripts/test-deps
	@scripts/test

quick: ## What a change in one file needs at once: the tidy test, the unit tests and some lives in the simulations (a minute)
	SEEDS=$(QUICK_SEEDS) cargo test --quiet --lib --test tidy --test sim -- --test-threads=16

sim: ## Live long simulations, of the health engine and of the registry: make sim SEEDS=1000000
	SEEDS=$(SEEDS) cargo test --release --test sim

long: build ## Every test that has a long form, in it: attacks, kills, faults, simulations (an hour)
	MUSTER_ATTACK=long cargo test --release --test it -- --nocapture --test-threads=1 attack::
	MUSTER_KILLS=1000 MUSTER_TAKEOVERS=100 MUSTER_FAULTS=all cargo test --release --test it -- --nocapture \
	  restart::kills:: disk::boundaries:: takeover::
	@scripts/faults
	SEEDS=$(SEEDS) cargo test --release --test sim

check: ## Formatting, lints, documentation, links, layers and the rules for dependencies only
	@scripts/lint
	cargo test --test tidy

advisories: ## Fetch the known vulnerabilities of crates, and fail if what is built has one (needs the network)
	@scripts/deny --fetch

fmt: ## Format the sources
	cargo fmt --all

bench: ## Run the micro-benchmarks
	cargo bench --workspace

loadtest: ## Run every scenario beside Consul and others; writes the table of docs/performance.md (10 minutes)
	@scripts/loadtest suite --write docs/performance.md

instructions: build ## Count the instructions of a request, and fail if one costs more than the baseline
	@bench/instructions --check

faults: ## Try every fault of the disk, every bit and every call; OPERATIONS=N checks so many for their order
	@scripts/faults $(OPERATIONS)

image: ## Build the container image (needs Docker)
	docker build --tag muster:latest .

image-check: ## Run the image's build steps without Docker, and what comes out of them
	@scripts/image-check

start: ## Start a release in the background
	@scripts/start

stop: ## Stop what `make start` started
	@scripts/stop

smoke: ## Ask a running agent the main questions
	@scripts/smoke

seed: ## Fill a running agent with a catalog that looks like a company's
	@scripts/seed
