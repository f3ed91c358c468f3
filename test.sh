#!/usr/bin/env bash
# Runs every test of the workspace: unit, integration and documentation tests, then the loom models,
# and checks that the table of what they would notice is up to date (loom-tests/SITES.md).
# Needs a Rust toolchain and a C compiler (SQLite is compiled into the example server).
# Fails where a test fails, and where a stage ran none.
set -uo pipefail
cd "$(dirname "$0")" || exit 1

total=0
log=$(mktemp)
reached=$(mktemp)
trap 'rm -f "$log" "$reached"' EXIT

# stage NAME COMMAND...: runs a test command and counts what it ran.
stage() {
    local name=$1
    shift
    printf '\n== %s: %s\n' "$name" "$*"
    if ! "$@" 2>&1 | tee "$log"; then
        printf '\n== %s failed\n' "$name"
        exit 1
    fi
    local passed
    passed=$(awk '/^test result: ok\./ { n += $4 } END { print n + 0 }' "$log")
    if [ "$passed" -eq 0 ]; then
        printf '\n== %s ran no test\n' "$name"
        exit 1
    fi
    printf '== %s: %s passed\n' "$name" "$passed"
    total=$((total + passed))
}

# The models, which record the sites that they reach.
models() {
    FRAMEWISE_SITES="record $reached" RUSTFLAGS="${RUSTFLAGS:-} --cfg framewise_loom" \
        cargo test --locked --release --package framewise-loom-tests --target-dir target/loom \
        "$@"
}

stage "tests" cargo test --locked --workspace --all-features --all-targets --exclude framewise-benches
stage "documentation tests" cargo test --locked --workspace --all-features --doc
stage "models" models -- --nocapture --test-threads 1

printf '\n== sites: the table against the sources and the models\n'
if ! loom-tests/weaken.sh check "$reached" || ! weaken/example/run.sh; then
    printf '\n== sites failed\n'
    exit 1
fi

printf '\n%s passed, 0 failed\n' "$total"
