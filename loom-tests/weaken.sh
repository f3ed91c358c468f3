#!/usr/bin/env bash
# Runs every mutant of a site against the models that reach the site, and writes SITES.md. Fails if a
# mutant survives without an argument, or a site is not reached.
#
#   loom-tests/weaken.sh                      all of them
#   loom-tests/weaken.sh --only state.rs      those of some files; the other rows stay
#   loom-tests/weaken.sh list                 prints which models reach which site
#   loom-tests/weaken.sh check RECORD MODELS  no mutants: compares the table with the sources, with the
#                                             models' records, and with protocols.txt
#   loom-tests/weaken.sh update RECORD        no mutants: rewrites the table from its own results
#   loom-tests/weaken.sh faults RECORD        no mutants: prints every ordering that can be weakened
#
# `check.sh` runs all of it; this command runs parts.
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
