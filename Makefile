# `make demo`, `make run` and `make test` work on a fresh Debian machine that has Rust (https://rustup.rs) and do nothing twice.

# COMMAND:PACKAGE is wanted only where there is no such command; the others are libraries.
BUILD_PACKAGES := g++:g++ make:make pkg-config:pkg-config libssl-dev zlib1g-dev
TEST_PACKAGES := mosquitto:mosquitto mosquitto_pub:mosquitto-clients java:default-jre-headless mvn:maven openssl:openssl setpriv:util-linux script:bsdutils \
	haproxy:haproxy promtool:prometheus docker-compose:docker-compose systemd-analyze:systemd ip:iproute2 dpkg-shlibdeps:dpkg-dev pip3:python3-pip valgrind:valgrind \
	chromium:chromium node:nodejs npm:npm javac:default-jdk-headless
# Of what the tests need, what the bench needs.
BENCH_PACKAGES := mosquitto:mosquitto java:default-jre-headless mvn:maven setpriv:util-linux pip3:python3-pip
# Of what the tests need, what mode cluster is tested with.
CLUSTER_PACKAGES := mosquitto:mosquitto java:default-jre-headless mvn:maven setpriv:util-linux haproxy:haproxy openssl:openssl
# The profile of everything, so that dependencies are built once; what is shipped is built with `--profile dist`.
PROFILE := --release
# cargo's own profile for benches is the same as --release.
BENCH_PROFILE = $(filter-out --release,$(PROFILE))
ARGS ?=
CARGO_DEB := 3.8.0
CARGO_DENY := 0.20.2
DENY := "$${XDG_CACHE_HOME:-$$HOME/.cache}/boxbridge-test/cargo-deny-$(CARGO_DENY)/bin/cargo-deny" --locked

MDBOOK := "$${XDG_CACHE_HOME:-$$HOME/.cache}/boxbridge-test/mdbook-0.5.4/bin/mdbook"

.PHONY: demo run build test cluster-test book bench instructions lint advisories parts rust deb
.NOTPARALLEL:

# A whole site in one process, to look at; ARGS="--rate 5", say.
demo: build
	cargo run $(PROFILE) --quiet -- demo $(ARGS)

run: build
	cargo run $(PROFILE) -- $(ARGS)

build: rust
	tests/install/packages $(BUILD_PACKAGES)
	cargo build $(PROFILE) --bins

# The Debian package of this machine's architecture, into target/debian.
deb: rust
	tests/install/packages $(BUILD_PACKAGES) dpkg-shlibdeps:dpkg-dev xz:xz-utils
	@command -v cargo-deb >/dev/null || cargo install --locked --no-default-features --version $(CARGO_DEB) cargo-deb
	cargo deb --profile dist

# The tests' own lines come last.
test: lint parts instructions
	tests/steady cargo test $(PROFILE)

# Mode cluster through every fault, and with 1, 2 and 4 gateways, with figures: twenty-five minutes. RATE=100 where a machine does not carry 300 events a second.
cluster-test: rust
	tests/install/packages $(BUILD_PACKAGES) $(CLUSTER_PACKAGES)
	for part in kafka versitygw; do tests/install/parts $$part || exit; done
	cargo test $(PROFILE) --test promises -- --ignored --nocapture --test-threads 1 gateway::cluster::

# The pages of docs/ as a book: target/book/index.html. The tests build it as well, and try its links.
book: rust
	tests/install/packages $(BUILD_PACKAGES)
	tests/install/parts mdbook
	$(MDBOOK) build docs

# The gateway beside the plain loop: ten minutes on two cores. ARGS="--quick" is a minute, ARGS="--only durable" some of its rows.
bench: rust
	tests/install/packages $(BUILD_PACKAGES) $(BENCH_PACKAGES)
	for part in kafka versitygw peer; do tests/install/parts $$part || exit; done
	cargo bench $(BENCH_PROFILE) --bench gateway -- $(ARGS)

# What an event costs in instructions, beside what it is known to cost; UPDATE=1 takes the new counts. It shares its build with the tests.
instructions: rust
	tests/install/packages $(BUILD_PACKAGES) valgrind:valgrind
	cargo bench --bench instructions

lint: rust
	tests/install/packages $(BUILD_PACKAGES)
	cargo fmt --check
	cargo clippy $(PROFILE) --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc $(PROFILE) --no-deps
	tests/install/parts cargo-deny
	$(DENY) check bans licenses sources
	@if ls -d "$${CARGO_HOME:-$$HOME/.cargo}"/advisory-dbs/*/.git >/dev/null 2>&1; then \
		$(DENY) --offline check advisories; \
	else \
		echo "No look at the advisories: no copy of their database here (make advisories)"; \
	fi

# The database of known holes in what we build on: from then on `make lint` looks for them.
advisories: rust
	tests/install/packages $(BUILD_PACKAGES)
	tests/install/parts cargo-deny
	$(DENY) fetch db

# Real brokers and stores, into the user's cache.
parts:
	tests/install/packages $(TEST_PACKAGES)
	tests/install/parts

rust:
	@command -v cargo >/dev/null || { echo "Rust is missing: https://rustup.rs"; exit 1; }
