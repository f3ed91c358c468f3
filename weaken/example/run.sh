#!/usr/bin/env bash
# Runs the machine on the two rings: on the right one every mutant must be killed, as the table says;
# on the one with the planted bug the command must fail, and name the operation that pairs with the
# bug. Takes the command's path, or builds it.
set -euo pipefail
cd "$(dirname "$0")/../.."

weaken=${1:-}
if [ -z "$weaken" ]; then
    cargo build --locked --release --package framewise-weaken
    weaken="${CARGO_TARGET_DIR:-target}/release/framewise-weaken"
fi
messages=$(mktemp)
told=$(mktemp)
table=$(mktemp)
trap 'rm -f "$messages" "$told" "$table"' EXIT

# The models' executables, one test target at a time.
models() {
    RUSTFLAGS="${RUSTFLAGS:-} --cfg framewise_loom" cargo test --locked --profile models --no-run --quiet \
        --package framewise-weaken-example --test "$1" --message-format json \
        --target-dir "${LOOM_TARGET_DIR:-target/loom}" >"$messages"
}

models ring
cp weaken/example/SITES.md "$table"
"$weaken" --sources weaken/example/src/ring.rs --table "$table" --run "$messages"
diff weaken/example/SITES.md "$table"

models planted
: >"$table"
if "$weaken" --sources weaken/example/src/planted.rs --table "$table" --run "$messages" | tee "$told"; then
    echo "the planted bug was not found"
    exit 1
fi
grep -q "store Release: Release -> Relaxed: every model passes with it" "$told"
