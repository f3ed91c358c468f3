//! Choices that are not about whose turn it is.

use shuttle::rand::{RngCore as _, thread_rng};

/// One wait in this many ends without a reason.
pub(super) const SPURIOUS_WAIT: u64 = 16;

/// One weak exchange in this many fails without a reason.
pub(super) const SPURIOUS_FAILURE: u64 = 8;

/// True once in `n` times.
pub(super) fn one_in(n: u64) -> bool {
    below(n) == 0
}

/// A number below `n`.
pub(super) fn below(n: u64) -> u64 {
    thread_rng().next_u64() % n
}

/// For how many turns of the others a timed wait lasts. None and many are both common: the time is
/// out before anything happens, or after everything else has come to rest.
pub(super) fn turns() -> u64 {
    below(1 << below(8))
}
