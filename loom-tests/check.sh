#!/usr/bin/env bash
# Every model, every site and every mutant, and at the end the totals. Fails unless every protocol has
# a model, every model was exhausted at preemption bound 2, every file of models has a control, every
# site is reached, and every mutant is killed or argued.
#
#   loom-tests/check.sh          runs all mutants, which takes a while, and writes SITES.md
#   loom-tests/check.sh quick [DIRECTORY]
#                                runs the models only, and takes the mutants' results from SITES.md after
#                                that was compared with the sources; then plants each weaker ordering
#                                in a copy of the sources and sees that it would be noticed. (`test.sh`)
#                                What the models recorded goes to DIRECTORY, where one is named.
set -euo pipefail
cd "$(dirname "$0")/.."

unset LOOM_MAX_PREEMPTIONS FRAMEWISE_UNBOUNDED FRAMEWISE_SECONDS

case ${1:-} in
'')
    TIMEFORMAT='it took %0R s, and %0U + %0S s of processors'
    time loom-tests/weaken.sh --whole
    exit
    ;;
quick) ;;
*)
    printf 'not understood: %s\n' "$1" >&2
    exit 2
    ;;
esac

records=${2:-}
if [ -z "$records" ]; then
    records=$(mktemp -d)
    trap 'rm -r "$records"' EXIT
fi
mkdir -p "$records"
records=$(realpath "$records")
rm -f "$records/sites" "$records/models"
FRAMEWISE_SITES="record $records/sites" FRAMEWISE_MODELS="$records/models" \
    RUSTFLAGS="${RUSTFLAGS:-} --cfg framewise_loom" cargo test --locked --profile models \
    --package framewise-loom-tests --target-dir "${LOOM_TARGET_DIR:-target/loom}" \
    -- --nocapture --test-threads 1
printf '\n== sites: the table against the sources and the models\n'
touch "$records/sites" "$records/models"
loom-tests/planted.sh "$records"
loom-tests/weaken.sh check "$records/sites" "$records/models" --whole
