//! Cells that detect overlapping accesses.
//!
//! All threads of a model run on one OS thread, so there is no data race to observe. These cells
//! detect that a thread was preempted inside one access while another access began. An access
//! without an operation of this crate inside cannot be preempted; loom checks those.

use std::cell::Cell;
use std::thread::panicking;

/// The value of `readers` during a write.
const WRITTEN: isize = -1;

/// `std::cell::UnsafeCell`, reached through closures.
#[derive(Debug, Default)]
pub struct UnsafeCell<T: ?Sized> {
    readers: Cell<isize>,
    value: std::cell::UnsafeCell<T>,
}

/// Ends an access when it is dropped, also during unwinding.
struct Access<'a> {
    readers: &'a Cell<isize>,
    change: isize,
}

impl<'a> Access<'a> {
    #[track_caller]
    fn begin(readers: &'a Cell<isize>, change: isize) -> Self {
        let before = readers.get();
        let is_free = before == 0 || (before > 0 && change > 0);
        // A thread that panics has already reported a problem.
        assert!(is_free || panicking(), "two accesses to a cell overlap");
        readers.set(before + change);
        Self { readers, change }
    }
}

impl Drop for Access<'_> {
    fn drop(&mut self) {
        self.readers.set(self.readers.get() - self.change);
    }
}

impl<T> UnsafeCell<T> {
    /// Makes a cell that holds `value`.
    pub const fn new(value: T) -> Self {
        Self {
            readers: Cell::new(0),
            value: std::cell::UnsafeCell::new(value),
        }
    }

    /// Takes the value out.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> UnsafeCell<T> {
    /// Calls `f` with a pointer for reading. The caller is responsible for dereferencing it safely.
    #[track_caller]
    pub fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        let _access = Access::begin(&self.readers, 1);
        f(self.value.get())
    }

    /// Calls `f` with a pointer for writing. The caller is responsible for dereferencing it safely.
    #[track_caller]
    pub fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        let _access = Access::begin(&self.readers, WRITTEN);
        f(self.value.get())
    }
}
