.DEFAULT_GOAL := help
.PHONY: help run test lint fmt events bench load

help: ## what there is to type
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## the gateway on this machine: builds it, makes a first call, leaves it running (PORT=8787)
	cargo build --locked --workspace
	@tools/run

test: ## every check there is, in order (tools/check NAME runs one)
	@tools/check

lint: ## format, clippy, dependencies, documentation, template
	@tools/check setup format clippy deny docs template sam-validate

fmt: ## format the code
	cargo fmt --all

events: ## replay events/ in process and through `cargo lambda invoke`
	@tools/setup venv
	cargo build --locked --workspace
	cargo test --locked --package tests --test suite events::

bench: ## cold start, size, warm call and what budgets add, of the release build
	cargo build --locked --release --workspace $(addprefix --bin=,$(notdir $(wildcard functions/*)) local guard bench bench_money bench_metrics)
	$${CARGO_TARGET_DIR:-target}/release/bench
	$${CARGO_TARGET_DIR:-target}/release/bench_money
	$${CARGO_TARGET_DIR:-target}/release/bench_metrics

load: ## 100 uploads and 10,000 calls on this machine: do clients, books and metrics agree? (LOAD="--calls 500")
	cargo build --locked --workspace
	@tools/load $(LOAD)
