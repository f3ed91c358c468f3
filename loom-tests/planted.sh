#!/usr/bin/env bash
# Would a weaker ordering in the source make the check fail? Plants each one, alone, in a copy.
#
#   loom-tests/planted.sh DIRECTORY                `weaken.sh check` must fail with each (seconds);
#                                                  DIRECTORY has what the models recorded, from
#                                                  `check.sh quick DIRECTORY`
#   loom-tests/planted.sh DIRECTORY run [TEXT...]  and the model that SITES.md names for it must fail
#                                                  too, built with nothing else changed (half a
#                                                  minute each); of the files with TEXT in their path
set -euo pipefail
cd "$(dirname "$0")/.."

sites=$(realpath "$1/sites")
models=$(realpath "$1/models")
run=${2:-}
only=("${@:3}")

# What must have plants, at the least: the task's state, the idle protocol, the timers' gate, the
# readiness word, the frames' counts.
needed=(executor/src/task/state.rs executor/src/scheduler/idle/mod.rs timers/src/park_state.rs
    io/src/scheduled_io/readiness.rs context/src/release.rs)

if [ "$run" = run ]; then
    # Always the same place, so that cargo builds anew only what was planted into.
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

# model_fails TARGET TEST: whether the model fails; what does not compile is no failure.
model_fails() {
    local told=$scratch/told
    (cd "$scratch" && RUSTFLAGS="${RUSTFLAGS:-} --cfg framewise_loom" cargo test --locked --profile models \
        --package framewise-loom-tests --test "$1" \
        --target-dir "$target" \
        -- --exact "$2" >"$told" 2>&1) && return 1
    grep -q -e '^test result: FAILED' -e '(signal: ' "$told" && return
    cat "$told"
    exit 1
}

if ! check --check "$sites" >"$scratch/told"; then
    cat "$scratch/told"
    printf 'the check fails with nothing planted\n'
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
    if check --check "$sites" >"$scratch/told" || ! grep -q "^problem: .*$to" "$scratch/told"; then
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
