#!/usr/bin/env bash
# How far does each model go? Runs each with the preemption bounds 2 and 3 and without any, says how
# many executions there were and whether that was all, and writes BOUNDS.md. A model that was not
# exhausted within the time is told as cut off, never as passed.
#
#   loom-tests/longer.sh                     20 seconds for a model and a bound above 2
#   loom-tests/longer.sh 600                 more of them
#   loom-tests/longer.sh 600 --only idle::   of some tests, by their names; writes nothing
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
