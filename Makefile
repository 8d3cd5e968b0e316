# The two commands to begin with: `make demo` and `make test`. Both install what is missing.
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)
.DEFAULT_GOAL := help

COMPOSE := docker compose
CLI := ./sync_cli.sh
# npm writes this file last, so it is older than package-lock.json exactly when an installation is due.
INSTALLED := node_modules/.package-lock.json

$(INSTALLED): package-lock.json
	npm ci --no-audit --no-fund
	@touch $@

.PHONY: help setup install-tools up down clean initial-sync incremental-sync daemon status test-workflow \
	logs logs-sync shell test mutations soak demo bench

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

bench: $(INSTALLED) ## Measure us beside our peers (BENCH=diff for one)
	@scripts/bench-tools
	@node bench/run.ts $(BENCH)

demo: $(INSTALLED) ## Run the main job on embedded servers (ARGS=--keep)
	node --max-semi-space-size=16 src/cli.ts demo $(ARGS)

test: $(INSTALLED) install-tools ## Install what is missing and run every test
	@node scripts/run-tests.ts

mutations: $(INSTALLED) ## Break the product in named ways; tests must notice
	@node scripts/mutations.ts $(ARGS)

soak: $(INSTALLED) ## Run under faults and kills (MINUTES=3 SEED=n)
	@node scripts/soak.ts "$(MINUTES)" "$(SEED)"

setup: $(INSTALLED) install-tools ## Install packages and test servers, and make .env
	@test -e .env || cp .env.example .env

install-tools:
	@scripts/install-tools

up: ## Build and start the compose stack until it is healthy
	$(COMPOSE) up --build --detach --wait

down: ## Stop the compose stack; its data stays
	$(COMPOSE) down

clean: ## Stop the stack; DELETE volumes, data and build output
	@if docker info >/dev/null 2>&1; then $(COMPOSE) down --volumes --remove-orphans; fi
	rm -rf data .demo dist coverage

initial-sync: ## List the bucket and carry every file over
	$(CLI) initial-sync $(ARGS)

incremental-sync: ## One cycle: events, diff, plan, gate, apply, report
	$(CLI) incremental-sync $(ARGS)

daemon: ## Subscribe, and run a cycle every SYNC_INTERVAL seconds
	$(CLI) daemon $(ARGS)

status: ## Show events, operations, lag, last cycle, and holds
	$(CLI) status $(ARGS)

test-workflow: ## End-to-end self test against what is configured
	$(CLI) test $(ARGS)

logs: ## Follow the logs of the whole stack
	$(COMPOSE) logs --follow

logs-sync: ## Follow the logs of the sync service
	$(COMPOSE) logs --follow sync-service

shell: ## Open a shell in the sync service's container
	$(COMPOSE) exec sync-service sh

