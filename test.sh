#!/usr/bin/env bash
# Runs every test of the workspace: unit, integration and documentation tests, then those of tokio's hooks,
# and of the tokio runtime beside ours, with `--cfg tokio_unstable`, then the loom models,
# and checks that the table of what they would notice is up to date (loom-tests/check.sh says what
# else, and prints the totals), then the large models under random schedules.
# Needs a Rust toolchain and a C compiler (SQLite is compiled into the example server). Where redis and
# PostgreSQL are installed, the tests start servers of their own; elsewhere those tests are skipped.
# Fails where a test fails, and where a stage ran none.
set -uo pipefail
cd "$(dirname "$0")" || exit 1

total=0
skipped=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

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
    # Tests that need a server that is not installed say so, and pass.
    skipped=$((skipped + $(grep -c 'skipped: .* is not installed' "$log")))
}

stage "tests" cargo test --locked --workspace --all-features --all-targets --exclude framewise-benches
stage "documentation tests" cargo test --locked --workspace --all-features --doc
stage "tokio's hooks" env RUSTFLAGS="${RUSTFLAGS:-} --cfg tokio_unstable" cargo test --locked \
    --package framewise-context --package framewise-conformance --features framewise-context/tokio \
    --target-dir target/tokio-unstable --test tokio_hooks
stage "tokio's runtime beside ours, with hooks" env RUSTFLAGS="${RUSTFLAGS:-} --cfg tokio_unstable" cargo test \
    --locked --package framewise --all-features --target-dir target/tokio-unstable --test tokio_compat

printf '\n== the example of the site machine\n'
if ! tools/weaken/example/run.sh; then
    printf '\n== the example failed\n'
    exit 1
fi

stage "models" loom-tests/check.sh quick
stage "random schedules" env RUSTFLAGS="${RUSTFLAGS:-} --cfg framewise_shuttle" cargo test --locked \
    --profile models --package framewise-loom-tests --target-dir target/shuttle --test 'shuttle*'

printf '\n%s passed, 0 failed, %s skipped for want of a server (redis, PostgreSQL)\n' "$total" "$skipped"
