# The commands of this project. `make up` runs it, `make test` proves it, `make check` judges the code.
# Everything they need and do not find they install; build output lies outside the checkout.

SHELL := /bin/bash
export CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/flotilla/target
TOOLS := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/flotilla/tools
# Built tests outlive the checkout they were built in; snapshots are those of this one.
export INSTA_WORKSPACE_ROOT := $(CURDIR)
export PATH := $(TOOLS)/bin:$(PATH)

FLOTILLA := $(CARGO_TARGET_DIR)/release/flotilla
UP_ARGS ?=
BENCH_ARGS ?=

.PHONY: up ready build test check fmt bench fuzz clean-data help

help: ## Show these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | column -t -s "$$(printf '\t')"

up: build ## Build, then run control plane and one gateway instance, data in ./data
	@$(FLOTILLA) up $(UP_ARGS)

# What every build needs: the tools, and build output that is of this checkout.
ready:
	@scripts/install-build-tools
	@scripts/claim-build-output

build: ready ## Build the release binary
	@cargo build --release --bin flotilla

test: ready ## Install what the tests need, run all of them
	@scripts/install-test-tools
	@cargo build --bin flotilla
	@if command -v cargo-nextest >/dev/null; then cargo nextest run --workspace --no-fail-fast; else cargo test --workspace --no-fail-fast; fi

check: ready ## Format, lints, licences and advisories
	@cargo fmt --all --check
	@cargo clippy --workspace --all-targets -- -D warnings
	@cargo clippy --locked --manifest-path fuzz/Cargo.toml -- -D warnings
	@scripts/install-cargo-deny
	@cargo deny --all-features check bans licenses sources
	@if cargo deny --all-features fetch db >/dev/null 2>&1; then cargo deny --all-features check advisories; \
		else echo "warning: the advisory database cannot be reached; advisories are not checked"; fi

fmt: ## Format the code
	@cargo fmt --all

bench: ready ## Measure side by side with nginx, HAProxy and Envoy; writes docs/BENCHMARKS.md
	@bench/run --write-docs docs/BENCHMARKS.md $(BENCH_ARGS)

fuzz: ready ## Feed every parser of untrusted bytes with random ones; FUZZ_SECONDS=60 each
	@scripts/fuzz

clean-data: ## Remove the data of `make up`
	@rm -rf ./data
