#!/usr/bin/env bash
# Runs framewise-weaken on the two rings. It must kill every mutant of the correct ring, as SITES.md
# says. On the ring with the seeded bug it must fail and name the operation that pairs with the bug.
# The optional argument is the path of the command; without it, the script builds the command.
set -euo pipefail
cd "$(dirname "$0")/../../.."

weaken=${1:-}
if [ -z "$weaken" ]; then
    cargo build --locked --release --package framewise-weaken
    weaken="${CARGO_TARGET_DIR:-target}/release/framewise-weaken"
fi
messages=$(mktemp)
output=$(mktemp)
table=$(mktemp)
trap 'rm -f "$messages" "$output" "$table"' EXIT

# models TARGET: builds the models of one test target and writes cargo's messages to $messages.
models() {
    RUSTFLAGS="${RUSTFLAGS:-} --cfg framewise_loom" cargo test --locked --profile models --no-run --quiet \
        --package framewise-weaken-example --test "$1" --message-format json \
        --target-dir "${LOOM_TARGET_DIR:-target/loom}" >"$messages"
}

models ring
cp tools/weaken/example/SITES.md "$table"
"$weaken" --sources tools/weaken/example/src/ring.rs --table "$table" --run "$messages"
diff tools/weaken/example/SITES.md "$table"

models faulty
: >"$table"
if "$weaken" --sources tools/weaken/example/src/faulty.rs --table "$table" --run "$messages" | tee "$output"; then
    echo "the seeded bug was not detected"
    exit 1
fi
grep -q "store Release: Release -> Relaxed: survives every model" "$output"
