#!/usr/bin/env bash
# Runs every model and every mutant of a site, and prints the totals. Fails unless every protocol has a
# model, every model is exhausted at preemption bound 2, every file of models has a control, every site
# is reached, and every mutant is killed or its survival argued.
#
#   loom-tests/check.sh          runs all mutants, which takes long, and writes SITES.md
#   loom-tests/check.sh quick [DIRECTORY]
#                                runs the models only: once without scheduling points, and once with
#                                them, except for the models in points.txt. Compares SITES.md with the
#                                sources and takes the mutants' results from it. Plants each weaker
#                                ordering in a copy of the sources and checks that it is noticed.
#                                Writes the models' records to DIRECTORY, if there is one. (`test.sh`)
set -euo pipefail
cd "$(dirname "$0")/.."

unset LOOM_MAX_PREEMPTIONS FRAMEWISE_UNBOUNDED FRAMEWISE_SECONDS FRAMEWISE_POINTS

case ${1:-} in
'')
    TIMEFORMAT='it took %0R s, and %0U + %0S s of processors'
    time loom-tests/weaken.sh --whole
    exit
    ;;
quick) ;;
*)
    printf 'unknown argument: %s\n' "$1" >&2
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
rm -f "$records/sites" "$records/models" "$records/points"

# models ARGUMENT...: runs the tests of the models.
models() {
    RUSTFLAGS="${RUSTFLAGS:-} --cfg framewise_loom" cargo test --locked --profile models \
        --package framewise-loom-tests --target-dir "${LOOM_TARGET_DIR:-target/loom}" -- "$@"
}

FRAMEWISE_SITES="record $records/sites" FRAMEWISE_MODELS="$records/models" \
    models --nocapture --test-threads 1

printf '\n== models with scheduling points\n'
# tests FILE: prints the models that FILE records, without the controls.
tests() {
    cut -f 1 "$1" | grep -v -e '::control_' -e '::negative_' | sort -u
}
mapfile -t skipped < <(sed -n 's/^\([^# ][^ ]*\) .*/\1/p' loom-tests/points.txt)
gone=$(comm -23 <(printf '%s\n' "${skipped[@]}" | sort) <(tests "$records/models"))
if [ -n "$gone" ]; then
    printf 'points.txt names tests that are not models:\n%s\n' "$gone"
    exit 1
fi
skip=()
for test in "${skipped[@]}"; do
    skip+=(--skip "${test#*::}")
done
# A model that takes longer is cut off, and fails.
if ! FRAMEWISE_POINTS=1 FRAMEWISE_SECONDS=900 FRAMEWISE_MODELS="$records/points" \
    models --exact "${skip[@]}" >"$records/output" 2>&1; then
    cat "$records/output"
    exit 1
fi
missing=$(comm -23 <(tests "$records/models") \
    <({ tests "$records/points"; printf '%s\n' "${skipped[@]}"; } | sort -u))
if [ -n "$missing" ]; then
    printf 'neither run with points nor named in points.txt:\n%s\n' "$missing"
    exit 1
fi
printf 'models with points %s, exhausted; skipped %s (loom-tests/points.txt)\n' \
    "$(tests "$records/points" | wc -l)" "${#skipped[@]}"

printf '\n== sites: the table against the sources and the models\n'
touch "$records/sites" "$records/models"
loom-tests/planted.sh "$records"
loom-tests/weaken.sh check "$records/sites" "$records/models" --whole
