#!/usr/bin/env bash
# Checks that the models and tests notice a change of the code between the sites. Makes each change of
# the sources in mutants.txt, one at a time, and writes MUTANTS.md. Fails if one survives without an
# argument. It works on a copy, in which the changes are choices at run time, built once.
#
#   loom-tests/mutants.sh                     all of them, which takes long
#   loom-tests/mutants.sh --only worker.rs    those of some files; the other rows stay
#   loom-tests/mutants.sh --stale             only those without a row, that survived, or did not compile
#   loom-tests/mutants.sh --list              each with its number, by which a test runs it:
#                                             FRAMEWISE_MUTANT=7 and a test of the copy in target/mutants/
#   loom-tests/mutants.sh --update            runs none: rewrites the table after arguments changed
#   loom-tests/mutants.sh --check             runs none: compares the table with the sources
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
# A mutated loop may allocate without end.
ulimit -v "${MUTANTS_MEMORY_KIB:-16000000}"
cargo build --locked --quiet --release --package framewise-weaken
exec "$target/release/framewise-weaken" code --plan loom-tests/mutants.txt --table loom-tests/MUTANTS.md \
    --scratch "$target/mutants" "$@"
