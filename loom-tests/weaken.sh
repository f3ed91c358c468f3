#!/usr/bin/env bash
# Would the models notice? Runs every mutant of the shipped code against the models that reach it and
# writes SITES.md. Fails where a mutant survives without an argument, or a site is not reached.
#
#   loom-tests/weaken.sh                      all of them
#   loom-tests/weaken.sh --only state.rs      those of some files; the other rows stay
#   loom-tests/weaken.sh list                 which models reach which site
#   loom-tests/weaken.sh check RECORD MODELS  no mutants: the table against the sources, against what
#                                             the models recorded, and against protocols.txt
#   loom-tests/weaken.sh update RECORD        no mutants: the table anew from its own results
#   loom-tests/weaken.sh faults RECORD        no mutants: every ordering that can be weakened
#
# `check.sh` is the command for all of it; this one is for the parts.
set -euo pipefail
cd "$(dirname "$0")/.."

table=(--sources context/src timers/src io/src executor/src
    --table loom-tests/SITES.md)
protocols=(--protocols loom-tests/protocols.txt)

weaken() {
    cargo run --locked --quiet --release --package framewise-weaken -- "${table[@]}" "$@"
}

case ${1:-} in
check)
    weaken --check "$2" --models "$3" "${protocols[@]}" "${@:4}"
    exit
    ;;
update | faults)
    weaken "--$1" "$2" "${@:3}"
    exit
    ;;
list)
    shift
    action=(--list)
    ;;
*) action=("${protocols[@]}" --run) ;;
esac

messages=$(mktemp)
trap 'rm -f "$messages"' EXIT
RUSTFLAGS="${RUSTFLAGS:-} --cfg framewise_loom" cargo test --locked --profile models --no-run --quiet \
    --package framewise-loom-tests --message-format json \
    --target-dir "${LOOM_TARGET_DIR:-target/loom}" >"$messages"
weaken "${action[@]}" "$messages" "$@"
