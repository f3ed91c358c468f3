//! Random choices other than which thread runs next.

use shuttle::rand::{RngCore as _, thread_rng};

/// One wait in this many ends spuriously.
pub(super) const SPURIOUS_WAIT: u64 = 16;

/// One weak exchange in this many fails spuriously.
pub(super) const SPURIOUS_FAILURE: u64 = 8;

/// Returns `true` once in `n` calls, on average.
pub(super) fn one_in(n: u64) -> bool {
    below(n) == 0
}

/// Returns a number below `n`.
pub(super) fn below(n: u64) -> u64 {
    thread_rng().next_u64() % n
}

/// Returns the number of turns of other threads for which a timed wait lasts. Zero and large
/// numbers are both common: the time runs out before anything happens, or after the other threads
/// have come to rest.
pub(super) fn turns() -> u64 {
    below(1 << below(8))
}
