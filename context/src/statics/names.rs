//! Keys and the names of variables: how a variable gets its index, once.
//!
//! An index is never reused. So an index in a frame always means the same variable, and therefore
//! the same type (safety rule 1 of `block.rs`).

use super::facade::{AtomicU32, Mutex, Ordering, constructor, lock};

/// The index of a variable that was never bound. It is greater than every index, so a comparison
/// with a bound fails for it too.
const UNASSIGNED: u32 = u32::MAX;

/// The number of indices. A frame counts the groups of 64 keys in 16 bits.
const KEYS_MAX: usize = 1 << 22;

/// The names of all variables in use, by index. Locked once per variable, and to print.
pub struct Names(Mutex<Vec<&'static str>>);

impl Names {
    constructor! {
        /// Makes an empty list.
        pub fn new() -> Self {
            Self(Mutex::new(Vec::new()))
        }
    }

    /// Returns the name of the variable with this index.
    pub fn name(&self, index: u32) -> &'static str {
        let names = lock(&self.0);
        names.get(index as usize).copied().unwrap_or("?")
    }
}

/// A variable's key; its index is assigned at the first bind.
pub struct Key(AtomicU32);

impl Key {
    constructor! {
        /// Makes a key without an index.
        pub fn new() -> Self {
            Self(AtomicU32::new(UNASSIGNED))
        }
    }

    /// Returns the index, or a value greater than every index if the variable was never bound.
    #[inline(always)]
    pub fn peek(&self) -> u32 {
        // Ordering: Relaxed. Nothing is published but the number itself. A thread that runs under a
        // frame which binds this key received the frame through synchronization, which also carried
        // the assignment: a bound key is never read as unassigned.
        self.0.load(Ordering::Relaxed)
    }

    /// Returns the index, and assigns it first if necessary.
    #[inline]
    pub fn index(&self, names: &Names, name: &'static str) -> u32 {
        let index = self.peek();
        if index == UNASSIGNED {
            self.assign(names, name)
        } else {
            index
        }
    }

    /// Assigns the next index. Threads that race here all get the winner's (C-10).
    #[cold]
    #[inline(never)]
    fn assign(&self, names: &Names, name: &'static str) -> u32 {
        let mut names = lock(&names.0);
        let next = names.len();
        assert!(
            next < KEYS_MAX,
            "there are fewer than 2^22 context variables"
        );
        let next = next as u32;
        // Ordering: Relaxed, see `peek`. The lock orders the contenders; the compare-exchange makes
        // a second assignment impossible.
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
