# Azimuth: the commands a person types. `make` alone lists them.
.DEFAULT_GOAL := help
.PHONY: help demo test torture test-versions bench bench-alerting bench-dashboards bench-footprint bench-probing bench-store bench-throughput build dashboards package test-packages audit lint clean

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: build ## an emulated Europe, real packets, the dashboards: prints the address
	@target/release/azimuth-testbed demo

test: ## install what the tests need, then run every check
	@ci/test

torture: ## the long forms of the fault tests: kills, power cuts, replays, waiting (two and a half hours)
	@ci/torture

bench-probing: ## Azimuth, fping and irtt against kernel truth on a delayed path (root)
	@ci/bench-probing

bench-throughput: ## throughput tests beside a 10 s iperf3 on the same lines, processor time beside nginx (root)
	@ci/bench-throughput

bench-store: ## Azimuth, Prometheus and VictoriaMetrics fed and asked the same
	@ci/bench-store

bench-alerting: ## alerts on labelled series beside other rules, and what watching costs
	@ci/bench-alerting

bench-dashboards: dashboards ## paint, redraw, sizes, requests, accessibility and contrast of the screens, beside their budgets
	@cd dashboards && node browser/bench.mjs

bench: ## codec, merge, ingest and map query, in one table
	@ci/bench

build: dashboards ## release binaries with the dashboards inside
	@cargo build --release --locked --workspace --bins

dashboards: dashboards/dist/index.html ## the web application, into dashboards/dist

dashboards/dist/index.html: $(shell git ls-files dashboards 2>/dev/null) ci/prepare
	@ci/prepare build
	@cd dashboards && npm run --silent build

package: dashboards ## deb, rpm, tarball, checksums, signature and installer, into target/packages (AZIMUTH_SIGNING_KEY)
	@ci/prepare packages
	@packaging/build --out target/packages --arch amd64 --arch arm64

test-packages: dashboards ## install, run, upgrade and purge deb, rpm and tarball in a chroot, check the units (root), run static programs for both processors and the images
	@ci/prepare packages
	@packaging/test
	@packaging/test-static

test-versions: ## earlier agents against this collector and this agent against earlier collectors, built from their commits (half an hour)
	@ci/test-versions

audit: ## licences, sources and known holes of what is built in, against deny.toml
	@ci/audit

bench-footprint: ## memory, processor and size of an agent beside prometheus-node-exporter
	@ci/bench-footprint

lint: ## format and lints only
	@ci/house-rules && cargo fmt --check && cargo clippy --quiet --workspace --all-targets --all-features -- -D warnings

clean: ## remove what was built
	@rm -rf target dashboards/dist dashboards/node_modules
