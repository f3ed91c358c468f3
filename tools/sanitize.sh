#!/usr/bin/env bash
# Runs tests of the concurrent crates under a tool that sees what the models cannot:
#
#   tools/sanitize.sh asan       AddressSanitizer, with LeakSanitizer
#   tools/sanitize.sh tsan       ThreadSanitizer
#   tools/sanitize.sh valgrind   memcheck, with leaks
#
# Further arguments choose among the groups below by name: `tools/sanitize.sh tsan context stress`.
# The sanitizers need a nightly toolchain, a C compiler and readelf; they do not need rust-src, see
# `tell_tsan_of_std`. The random programs are few; PROPTEST_CASES=1000 makes more. Fails where the
# tool finds something, where a test fails, where a group ran no test, and where the tool does not
# find what is planted for it (`control`).
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

usage() {
    sed -n '2,13s/^# \{0,1\}//p' "$0"
    exit 2
}

readonly tool=${1:-}
case $tool in asan | tsan | valgrind) shift ;; *) usage ;; esac
readonly triple=x86_64-unknown-linux-gnu
readonly target="${CARGO_TARGET_DIR:-$PWD/target}/$tool"
readonly aside="$target/aside"
mkdir -p "$aside"

# What is not reported, and why. A name matches a leak or a race that has it in one of its stacks.
write_suppressions() {
    cat >"$aside/lsan.supp" <<'END'
# Forgetting what the API hands out is what the test is about.
leak:c24_forgetting_values_of_the_api
# A panic's payload whose destructor might panic again, or the second of two panics, is forgotten
# by design; each of these tests throws such payloads.
leak:c77_a_value_whose_drop_panics
leak:c83_a_value_that_panics_as_its_record_is_thrown_away
leak:no_panic_in_user_code_costs_a_worker
leak:panics::Bomb
leak:c59_a_callback_whose_destructor_panics
leak:c59_a_frame_whose_values_panic_keeps_no_other_callback_alive
leak:c53_a_value_that_panics_as_it_ends
# Variables are `static`; these tests make theirs at run time.
leak:c10_threads_that_race_for_the_first_use
leak:a_bind_among_a_thousand_variables
leak:c13_correct_at_every_size_boundary
leak:sizes::Var
leak:model::leak
# The global collector of crossbeam-epoch is never taken down.
leak:crossbeam_epoch::default::collector
END
    cat >"$aside/tsan.supp" <<'END'
# A thief copies an entry before it knows that it is the thief's, and throws the copy away when its
# compare-exchange fails. crossbeam suppresses it in its own runs, too.
race:crossbeam_deque::deque::Buffer
# The harness's own channel and bookkeeping, half of them compiled in `std` and `test`.
race:test::event::CompletedTest
race:Arc<std::sync::poison::mutex::Mutex<core::option::Option<test::run_test
# Handles of threads, the end of `thread::scope`, and the locks of the panic hook, of what it prints
# and of what the harness keeps of that are compiled in `std`.
race:Arc<std::thread::scoped::ScopeData>
race:Arc<std::thread::thread::Inner, std::alloc::System>
race:Arc<std::sync::poison::mutex::Mutex<alloc::vec::Vec<u8>>>>::drop_slow
race:<std::path::Component as core::cmp::PartialEq>::eq
race:core::ops::function::Fn<(&std::panic::PanicHookInfo,)>>::call
race:std::io::default_write_fmt::Adapter<alloc::vec::Vec<u8>>
# What `tell_tsan_of_std` says of `Once`: there is a gap of a few instructions.
race:<std::sync::once_lock::OnceLock<*>>::initialize
END
    # The same leaks, as memcheck has them: by what the linker calls it.
    sed -n 's/::/*/g; s/^leak:\(.*\)/{\n  \1\n  Memcheck:Leak\n  ...\n  fun:*\1*\n}/p' \
        "$aside/lsan.supp" >"$aside/valgrind.supp"
}

# A program with a fault that the tool must find, so that a silent tool is noticed; and one without,
# which uses what is taught to ThreadSanitizer below, and of which nothing may be said.
control() {
    cat >"$aside/control.rs" <<'END'
use std::sync::{Arc, Barrier, Condvar, Mutex, OnceLock};
use std::thread;

static mut PLAIN: u64 = 0;

fn threads(body: impl Fn(u64) + Send + Sync + 'static) {
    let body = Arc::new(body);
    let threads: Vec<_> = (0..4)
        .map(|index| {
            let body = Arc::clone(&body);
            thread::spawn(move || body(index))
        })
        .collect();
    drop(body);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

fn sound() {
    let lock = Mutex::new(vec![0_u64]);
    threads(move |_| (0..2_000).for_each(|_| lock.lock().unwrap()[0] += 1));
    let shared = vec![1_u64; 100];
    threads(move |_| assert_eq!(shared.iter().sum::<u64>(), 100));
    let turn = (Mutex::new(0), Condvar::new());
    threads(move |index| {
        for _ in 0..100 {
            let mut next = turn.0.lock().unwrap();
            while *next % 4 != index {
                next = turn.1.wait(next).unwrap();
            }
            *next += 1;
            turn.1.notify_all();
        }
    });
    let barrier = Barrier::new(4);
    threads(move |index| {
        if index == 0 {
            unsafe { PLAIN = 5 };
        }
        barrier.wait();
        assert_eq!(unsafe { PLAIN }, 5);
    });
    static ONCE: OnceLock<Vec<u64>> = OnceLock::new();
    ONCE.get_or_init(|| vec![2]);
    threads(|_| assert_eq!(ONCE.get().unwrap()[0], 2));
}

fn scoped() {
    for _ in 0..100 {
        let mut sum = 0_u64;
        thread::scope(|scope| {
            scope.spawn(|| sum += 1);
        });
        assert_eq!(sum, 1);
    }
}

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("sound") => (sound(), scoped()).0,
        Some("race") => threads(|_| (0..1_000).for_each(|_| unsafe { PLAIN += 1 })),
        Some("freed") => {
            let gone = std::hint::black_box(&*Box::new(7_u64)) as *const u64;
            println!("{}", unsafe { gone.read_volatile() });
        }
        Some("leak") => {
            std::hint::black_box(Box::leak(Box::new([1_u64; 9])));
        }
        _ => unreachable!(),
    }
}
END
    "${rustc[@]}" --edition 2024 -Awarnings $flags -Cdebuginfo=1 -o "$aside/control" "$aside/control.rs" || exit 1
    "${runner[@]}" "$aside/control" sound >"$log" 2>&1 || {
        cat "$log"
        fail "$tool finds something in a sound program"
    }
    local fault
    for fault in "$@"; do
        if "${runner[@]}" "$aside/control" "$fault" >"$log" 2>&1; then
            cat "$log"
            fail "$tool does not find the $fault that was planted"
        fi
    done
    printf '== control: sound program passed; found what was planted: %s\n' "$*"
}

# `std` comes without ThreadSanitizer's instrumentation. What is generic or inlined in it gets it in
# our crates, all atomics among them; what is compiled in `std` itself is blind: a contended lock, a
# wait on a condition variable, a barrier, the initialiser of a `Once`. These are wrapped by the
# linker, and the happens-before edge that each is documented to make is told. (An edge of a `Once`
# is told just after it is made; who asks within these instructions may be reported wrongly.)
#
# ThreadSanitizer does not model fences. Two idioms need them. A count that is given back with
# Release, and an Acquire fence where it was the last (`Arc`, frames): the decrement is taken as
# AcqRel, so that a missing Acquire there would not be seen; the models see it. And SeqCst fences
# between a store and a load, which guard against sleeping for ever: no memory is published by them
# alone, so nothing is reported for them, and nothing is shown about them; the models do.
tell_tsan_of_std() {
    local names name bits
    names=$(readelf -sW "$("${rustc[@]}" --print target-libdir)"/libstd-*.rlib 2>/dev/null |
        awk '$4 == "FUNC" && $5 == "GLOBAL" && $7 != "UND" { print $8 }')
    printf '%s\n' '#include <stdint.h>' \
        'void __tsan_acquire(void *);' 'void __tsan_release(void *);' >"$aside/std.c"
    wrap() { # PATTERN RESULT PARAMETERS ARGUMENTS BEFORE AFTER
        name=$(grep -E -- "$1" <<<"$names")
        [ "$(wc -w <<<"$name")" -eq 1 ] || fail "this std has not one function like $1: ${name:-none}"
        printf '%s __real_%s(%s);\n%s __wrap_%s(%s) { %s %s __real_%s(%s); %s }\n' \
            "$2" "$name" "$3" "$2" "$name" "$3" "$5" \
            "$([ "$2" = void ] || echo "$2 result =")" "$name" "$4" \
            "$6 $([ "$2" = void ] || echo 'return result;')" >>"$aside/std.c"
        flags+=" -Clink-arg=-Wl,--wrap=$name"
    }
    wrap '4sync5mutex5futex.*14lock_contended$' void 'void *m' m '' '__tsan_acquire(m);'
    wrap '7condvar5futex.*7Condvar4wait$' void 'void *c, void *m' 'c, m' \
        '__tsan_release(m);' '__tsan_acquire(m);'
    wrap '7condvar5futex.*12wait_timeout$' _Bool 'void *c, void *m, uint64_t s, uint32_t n' \
        'c, m, s, n' '__tsan_release(m);' '__tsan_acquire(m);'
    # Its result is two words at most, and comes back in a register.
    wrap '4sync7barrier.*7Barrier4wait$' _Bool 'void *b' b '__tsan_release(b);' '__tsan_acquire(b);'
    wrap '4once5futex.*4Once4call$' void 'void *o, _Bool i, void *f, void *v, void *l' \
        'o, i, f, v, l' '' '__tsan_acquire(o); __tsan_release(o);'
    # The count of threads is one of its first words.
    wrap '6scoped.*ScopeData29decrement_num_running_threads$' void 'char *s, _Bool p' 's, p' \
        '__tsan_release(s); __tsan_release(s + 8); __tsan_release(s + 16);' ''
    for bits in 32 64; do
        names=__tsan_atomic${bits}_fetch_sub
        wrap fetch_sub uint${bits}_t "volatile void *a, uint${bits}_t v, int o" \
            'a, v, o == 3 ? 4 : o' '' ''
    done
    cc -O2 -c "$aside/std.c" -o "$aside/std.o" || exit 1
    flags+=" -Clink-arg=$aside/std.o"
}

total=0
failed=()
# group NAME PACKAGE CARGO-ARGUMENTS...: runs these tests, if they are asked for.
group() {
    local name=$1 package=$2 passed empty
    shift 2
    [ ${#chosen[@]} -eq 0 ] || [[ " ${chosen[*]} " == *" $name "* ]] || return 0
    printf '\n== %s, %s: %s %s\n' "$tool" "$name" "$package" "$*"
    "${cargo[@]}" test --locked --no-fail-fast --target "$triple" --target-dir "$target" \
        --package "$package" "$@" "${skip[@]}" 2>&1 | tee "$log"
    [ "${PIPESTATUS[0]}" -eq 0 ] || failed+=("$name")
    passed=$(awk '/^test result: ok\./ { n += $4 } END { print n + 0 }' "$log")
    [ "$passed" -gt 0 ] || failed+=("$name (ran no test)")
    printf '== %s, %s: %s passed\n' "$tool" "$name" "$passed"
    total=$((total + passed))
}

fail() {
    printf '\n== %s\n' "$*"
    exit 1
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
write_suppressions
chosen=("$@")
cargo=(cargo +nightly)
rustc=(rustc +nightly)
runner=(env)
# Children short of address space, which each of these tools needs plenty of; and faults planted for
# the random programs and for histories of queues to notice, one of which is a leak and one a race.
skip=(-- --skip no_thread:: --skip mutants:: --skip control_an_item_that_comes_too_early)
export CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=line-tables-only
export PROPTEST_CASES=${PROPTEST_CASES:-64} FRAMEWISE_SEEDS=${FRAMEWISE_SEEDS:-10}
case $tool in
asan)
    flags="-Zsanitizer=address"
    export ASAN_OPTIONS="detect_leaks=1 ${ASAN_OPTIONS:-}"
    export LSAN_OPTIONS="suppressions=$aside/lsan.supp ${LSAN_OPTIONS:-}"
    control freed leak
    ;;
tsan)
    flags="-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer"
    tell_tsan_of_std
    export TSAN_OPTIONS="suppressions=$aside/tsan.supp ${TSAN_OPTIONS:-}"
    control race
    ;;
valgrind)
    flags=""
    cargo=(cargo)
    rustc=(rustc)
    # One thread runs at a time: fair turns, or a thread that spins starves the others.
    runner=(valgrind --quiet --error-exitcode=9 --fair-sched=yes --leak-check=full --num-callers=60
        --errors-for-leak-kinds=definite --suppressions="$aside/valgrind.supp")
    export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER="${runner[*]}"
    control freed leak
    ;;
esac
export RUSTFLAGS="${RUSTFLAGS:-} $flags"

threaded=(basics frame_stats with_frame executors scopes snapshots values)
if [ "$tool" = asan ]; then
    group context framewise-context --all-features --lib --tests
else
    # Those with threads; the others measure, or take long.
    group context framewise-context --all-features --lib "${threaded[@]/#/--test=}"
fi
group sync framewise-sync --test deque
group timers framewise-timers --all-features --lib --tests
group io framewise-io --all-features --lib --tests
for test in stress shutdown blocking join panics programs; do
    group "$test" framewise --test "$test"
done
for chapter in tasks ends; do
    group "contract_$chapter" framewise-conformance --test framewise "workers::$chapter"
done

[ "$total" -gt 0 ] || fail "$tool ran no test"
[ ${#failed[@]} -eq 0 ] || fail "$tool: $total passed; failed: ${failed[*]}"
printf '\n== %s: %s passed, nothing found\n' "$tool" "$total"
