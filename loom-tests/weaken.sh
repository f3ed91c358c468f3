#!/usr/bin/env bash
# Would the models notice? Runs every mutant of the shipped code against the models that reach it and
# writes SITES.md. Fails where a mutant survives without an argument, or a site is not reached.
#
#   loom-tests/weaken.sh                      all of them
#   loom-tests/weaken.sh --only state.rs      those of some files; the other rows stay
#   loom-tests/weaken.sh list                 which models reach which site
#   loom-tests/weaken.sh check RECORD         no mutants: the table against the sources, and against
#                                             what the models recorded (test.sh does that)
#   loom-tests/weaken.sh update RECORD        no mutants: the table anew from its own results
set -euo pipefail
cd "$(dirname "$0")/.."

table=(--sources context/src timers/src io/src executor/src
    --table loom-tests/SITES.md --allow loom-tests/unreached.txt)

weaken() {
    cargo run --locked --quiet --release --package framewise-weaken -- "${table[@]}" "$@"
}

case ${1:-} in
check | update)
    weaken "--$1" "$2"
    exit
    ;;
list)
    shift
    action=--list
    ;;
*) action=--run ;;
esac

messages=$(mktemp)
trap 'rm -f "$messages"' EXIT
RUSTFLAGS="${RUSTFLAGS:-} --cfg framewise_loom" cargo test --locked --release --no-run --quiet \
    --package framewise-loom-tests --message-format json \
    --target-dir "${LOOM_TARGET_DIR:-target/loom}" >"$messages"
weaken "$action" "$messages" "$@"
