#!/usr/bin/env bash
# Checks that a weaker ordering in the source makes the check fail: plants each one, alone, in a copy.
#
#   loom-tests/planted.sh DIRECTORY                `weaken.sh check` must fail with each (seconds);
#                                                  DIRECTORY has the models' records, from
#                                                  `check.sh quick DIRECTORY`
#   loom-tests/planted.sh DIRECTORY run [TEXT...]  the model that SITES.md names for it must fail too,
#                                                  built with no other change; for the files with TEXT
#                                                  in their path
set -euo pipefail
cd "$(dirname "$0")/.."

sites=$(realpath "$1/sites")
models=$(realpath "$1/models")
run=${2:-}
only=("${@:3}")

# Files that must have at least one plant: the task's state, the idle protocol, the driver's park state,
# the readiness word, the frames' counts.
needed=(executor/src/task/state.rs executor/src/scheduler/idle/mod.rs timers/src/park_state.rs
    io/src/scheduled_io/readiness.rs context/src/release.rs)

if [ "$run" = run ]; then
    # Always the same place, so that cargo rebuilds only the changed crate.
    target=$(realpath -m "${PLANTED_TARGET_DIR:-target/planted}")
    scratch=$target/tree
    rm -rf "$scratch"
    mkdir -p "$scratch"
else
    scratch=$(mktemp -d)
fi
trap 'rm -rf "$scratch"' EXIT
cargo build --locked --quiet --release --package framewise-weaken
weaken=$(realpath "${CARGO_TARGET_DIR:-target}/release/framewise-weaken")
if [ "$run" = run ]; then
    git ls-files -z | xargs -0 cp --parents -t "$scratch"
else
    cp -r --parents context/src timers/src io/src executor/src loom-tests/*.txt loom-tests/SITES.md \
        "$scratch"
fi

check() {
    (cd "$scratch" && "$weaken" --sources context/src timers/src io/src executor/src \
        --table loom-tests/SITES.md \
        --protocols loom-tests/protocols.txt --models "$models" "$@")
}

# model_fails TARGET TEST: succeeds if the model fails; exits if it does not compile.
model_fails() {
    local output=$scratch/output
    (cd "$scratch" && RUSTFLAGS="${RUSTFLAGS:-} --cfg framewise_loom" cargo test --locked --profile models \
        --package framewise-loom-tests --test "$1" \
        --target-dir "$target" \
        -- --exact "$2" >"$output" 2>&1) && return 1
    grep -q -e '^test result: FAILED' -e '(signal: ' "$output" && return
    cat "$output"
    exit 1
}

if ! check --check "$sites" >"$scratch/output"; then
    cat "$scratch/output"
    printf 'the check fails without a plant\n'
    exit 1
fi
check --faults "$sites" ${only:+--only "${only[@]}"} >"$scratch/plants"

planted=0
noticed=0
while IFS=$'\t' read -r file line column from to killer; do
    planted=$((planted + 1))
    sed -i "${line}s/^\(.\{$((column - 1))\}\)$from/\1$to/" "$scratch/$file"
    place="$file:$line:$column: $from -> $to"
    if cmp -s "$file" "$scratch/$file"; then
        printf '%s: could not be planted\n' "$place"
        exit 1
    fi
    if check --check "$sites" >"$scratch/output" || ! grep -q "^problem: .*$to" "$scratch/output"; then
        printf '%s: the check does not notice\n' "$place"
        exit 1
    fi
    if [ "$run" = run ] && [ "$killer" != - ]; then
        if ! model_fails "${killer%%::*}" "${killer#*::}"; then
            printf '%s: %s does not notice\n' "$place" "$killer"
            exit 1
        fi
        printf '%s: the check notices, and %s does\n' "$place" "$killer"
        noticed=$((noticed + 1))
    fi
    cp "$file" "$scratch/$file"
done <"$scratch/plants"

for file in "${needed[@]}"; do
    if [ ${#only[@]} -eq 0 ] && ! grep -q "^$file" "$scratch/plants"; then
        printf '%s: nothing was planted\n' "$file"
        exit 1
    fi
done
printf 'planted %s weaker orderings, one at a time: the check noticed %s' "$planted" "$planted"
if [ "$run" = run ]; then
    printf ', and a model %s' "$noticed"
fi
printf '\n'
[ "$planted" -gt 0 ]
