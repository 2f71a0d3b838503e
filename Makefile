# Handover. `make help` lists what there is; README.md tells the rest.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

GO ?= go
TOOL := $(GO) tool -modfile=tools/go.mod
REDOCLY := tools/node_modules/.bin/redocly
PROMTOOL := $(or $(shell command -v promtool),tools/bin/promtool)
SQUAWK := tools/node_modules/.bin/squawk

# Time zones come with the binary, so that it runs where no zone files are installed.
BUILD_FLAGS := -trimpath -tags timetzdata

# Each configuration api/X.yaml makes api/X.gen.go.
GENERATED := types server spec client/client

# What a recipe does with the tests: make test TEST=./internal/domain TEST_FLAGS='-run A9 -v'
TEST ?= ./...
TEST_FLAGS ?=
TEST_TIMEOUT ?= 15m
BENCH_FLAGS ?=
SCALE_FLAGS ?=

##@ To use it

.PHONY: help
help: ## Lists these targets.
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@/ { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z][a-z-]*:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo

.PHONY: run
run: build ## Runs the service with its own PostgreSQL and two demo organizations; prints the address and a curl line.
	@exec bin/handover serve --demo

.PHONY: build
build: ## Builds the one binary, bin/handover.
	@CGO_ENABLED=0 $(GO) build $(BUILD_FLAGS) -o bin/handover ./cmd/handover

.PHONY: setup
setup: ## Installs what a new machine lacks: the PostgreSQL binaries and promtool (Debian), the linters of contract and migrations (npm).
	@tools/setup

##@ To change it

.PHONY: generate
generate: ## Generates the server, its types and the Go client from openapi.yaml.
	@$(call generate-into,api)

.PHONY: format
format: ## Formats the Go code.
	@$(TOOL) gofumpt -w .

.PHONY: check
check: check-format check-modules check-contract check-migrations check-generated check-vet check-lint check-alerts ## Checks everything that needs no database; each part below is one of its steps.

.PHONY: check-format
check-format: ## Fails with a diff where Go code is not formatted.
	@$(TOOL) gofumpt -d . | { ! grep . ; } || { echo 'Run `make format`.' >&2; exit 1; }

.PHONY: check-modules
check-modules: ## Fails where go.mod or go.sum is not tidy.
	@$(GO) mod tidy -diff
	@$(GO) -C tools mod tidy -diff

.PHONY: check-contract
check-contract: $(REDOCLY) ## Lints openapi.yaml, and holds its examples against its schemas.
	@$(REDOCLY) lint --config .redocly.yaml --max-problems 200
	@$(TOOL) validate openapi.yaml

.PHONY: check-migrations
check-migrations: $(SQUAWK) ## Holds migrations against what would stop the service while they are applied.
	@beside=$$(grep -l '^-- without transaction' migrations/*.up.sql || true); \
	$(SQUAWK) $$(grep -L '^-- without transaction' migrations/*.up.sql); \
	if [ -n "$$beside" ]; then $(SQUAWK) --no-assume-in-transaction $$beside; fi

.PHONY: check-generated
check-generated: ## Fails where the generated code is not what openapi.yaml makes now.
	@fresh=$$(mktemp -d); trap 'rm -rf "$$fresh"' EXIT; \
	mkdir -p "$$fresh/client"; \
	$(call generate-into,$$fresh); \
	for part in $(GENERATED); do \
	  cmp "api/$$part.gen.go" "$$fresh/$$part.gen.go" \
	    || { echo "api/$$part.gen.go is not what openapi.yaml makes: run \`make generate\` and commit." >&2; exit 1; }; \
	done

.PHONY: check-vet
check-vet: ## Runs go vet.
	@$(GO) vet ./...

.PHONY: check-lint
check-lint: ## Runs golangci-lint, which also holds who may import whom.
	@$(TOOL) golangci-lint run

.PHONY: check-alerts
check-alerts: $(PROMTOOL) ## Checks the alert rules in deploy/prometheus, and tries each.
	@$(PROMTOOL) check rules deploy/prometheus/alerts.yaml
	@$(PROMTOOL) test rules deploy/prometheus/alerts_test.yaml

.PHONY: test
test: ## Runs every test, on real PostgreSQL. One package: make test TEST=./internal/domain
	$(GO) test -timeout $(TEST_TIMEOUT) $(TEST_FLAGS) $(TEST)

.PHONY: race
race: ## Runs every test under the race detector; needs a C compiler, and several times as long.
	CGO_ENABLED=1 $(GO) test -race -timeout 40m $(TEST_FLAGS) $(TEST)

.PHONY: chaos
chaos: ## Disturbs the service in every way while it works: make chaos MINUTES=10 SEED=7 (docs/reliability.md)
	@MINUTES='$(MINUTES)' SEED='$(SEED)' PARTS='$(PARTS)' tools/chaos

.PHONY: bench
bench: ## Measures the service against its floors, on a PostgreSQL of its own, and writes bench.json.
	$(GO) run $(BUILD_FLAGS) ./internal/bench $(BENCH_FLAGS)

.PHONY: scale
scale: build ## Runs primary, replica, PgBouncer, APIs, workers and nginx under load, and kills them meanwhile.
	$(GO) run ./deploy/scale $(SCALE_FLAGS)

.PHONY: clean
clean: ## Removes what was built; the demo's database under .handover/ stays.
	@rm -rf bin coverage.out bench.json tools/node_modules tools/bin

# Runs oapi-codegen once for each configuration; $(1) is the folder the code goes to.
define generate-into
for part in $(GENERATED); do \
  $(TOOL) oapi-codegen -config "api/$$part.yaml" -o "$(1)/$$part.gen.go" openapi.yaml; \
done
endef

tools/bin/promtool:
	@tools/setup-promtool

$(REDOCLY): tools/package-lock.json
	@command -v npm >/dev/null || { echo 'The linters of the contract and of the migrations need Node.js 20.19 or later with npm.' >&2; exit 1; }
	@cd tools && npm ci --loglevel=error
	@touch $@

$(SQUAWK): $(REDOCLY)
	@touch $@
