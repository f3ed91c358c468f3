#!/usr/bin/env bash
# Runs each model with the preemption bounds 2 and 3 and without a bound, and writes its executions and
# how it ended to BOUNDS.md. A model that is not exhausted within the time is recorded as cut off, never
# as passed.
#
#   loom-tests/longer.sh                     20 seconds for each model and bound above 2
#   loom-tests/longer.sh 600                 more seconds
#   loom-tests/longer.sh 600 --only idle::   some tests, by their names; does not write the file
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-20}
messages=$(mktemp)
trap 'rm -f "$messages"' EXIT
RUSTFLAGS="${RUSTFLAGS:-} --cfg framewise_loom" cargo test --locked --profile models --no-run --quiet \
    --package framewise-loom-tests --message-format json \
    --target-dir "${LOOM_TARGET_DIR:-target/loom}" >"$messages"
cargo run --locked --quiet --release --package framewise-weaken -- \
    --bounds "$messages" --into loom-tests/BOUNDS.md --seconds "$seconds" "${@:2}"
