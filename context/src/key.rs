//! Keys: the dense index of a variable, given out at its first use, and the name behind an index.
//!
//! Knows nothing of frames. An index is never taken back, so an index in a frame always means the
//! same variable and therefore the same type (safety rule 1 of [`block`](crate::block)).

use std::sync::PoisonError;

use framewise_sync::statics::{AtomicU32, Ordering};

/// The index of a variable that nothing has used yet. Greater than every index, so that a
/// comparison with a bound refuses it too.
const UNASSIGNED: u32 = u32::MAX;

/// The names of all variables in use, by index.
///
/// `std`'s lock and not the facade's: it lives in a static, is taken once a variable and to print,
/// and no model looks at it.
static NAMES: std::sync::Mutex<Vec<&'static str>> = std::sync::Mutex::new(Vec::new());

/// The key of a variable, assigned when first asked for.
pub(crate) struct Key(AtomicU32);

impl Key {
    /// A key without an index.
    pub(crate) const fn new() -> Self {
        Self(AtomicU32::new(UNASSIGNED))
    }

    /// The index, or something greater than every index if the variable was never bound.
    #[inline(always)]
    pub(crate) fn peek(&self) -> u32 {
        // Ordering: Relaxed. Nothing is published but the number itself. Whoever runs under a frame
        // that binds this key came by the frame through synchronisation, which also carried the
        // assignment: a bound key is never read as unassigned.
        self.0.load(Ordering::Relaxed)
    }

    /// The index, assigned now if it was not.
    #[inline]
    pub(crate) fn index(&self, name: &'static str) -> u32 {
        let index = self.peek();
        if index == UNASSIGNED {
            self.assign(name)
        } else {
            index
        }
    }

    /// Takes the next index. Threads that race here all get the winner's (C-10).
    #[cold]
    #[inline(never)]
    fn assign(&self, name: &'static str) -> u32 {
        let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        let next = u32::try_from(names.len()).expect("fewer than 2^32 context variables");
        assert!(next < UNASSIGNED, "fewer than 2^32 - 1 context variables");
        // Ordering: Relaxed, see `peek`. The lock orders the contenders; the exchange is what makes
        // two assignments impossible.
        match self
            .0
            .compare_exchange(UNASSIGNED, next, Ordering::Relaxed, Ordering::Relaxed)
        {
            Ok(_) => {
                names.push(name);
                next
            }
            Err(winner) => winner,
        }
    }
}

/// The name of the variable with this index.
pub(crate) fn name(index: u32) -> &'static str {
    let names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    names.get(index as usize).copied().unwrap_or("?")
}
