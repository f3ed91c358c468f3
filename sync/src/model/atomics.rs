//! loom's atomics and fences, each operation of which is a site.
//!
//! An operation asks [`site`] which ordering to use. If the answer is to skip the step, a store and
//! a fence do nothing, and a read-modify-write writes back the value that it found: it still reads
//! and orders, but changes nothing.

use std::sync::atomic::Ordering;

use super::point::Point;
use super::site;

/// An atomic fence.
#[track_caller]
pub fn fence(ordering: Ordering) {
    if let Some(ordering) = site::ordered("fence", ordering) {
        loom::sync::atomic::fence(ordering);
    }
}

/// The methods of every atomic. `$keep` is the read-modify-write that changes nothing.
macro_rules! common {
    ($name:ident, $value:ty, $keep:expr $(, $parameter:ident)?) => {
        impl$(<$parameter>)? $name$(<$parameter>)? {
            /// Makes an atomic that holds `value`.
            #[track_caller]
            pub fn new(value: $value) -> Self {
                Self(loom::sync::atomic::$name::new(value), Point::new())
            }

            /// Takes the value out.
            #[track_caller]
            pub fn into_inner(self) -> $value {
                self.0.into_inner()
            }

            /// Reads the value.
            #[track_caller]
            pub fn load(&self, ordering: Ordering) -> $value {
                self.1.pass();
                self.0.load(site::ordered("load", ordering).unwrap_or(ordering))
            }

            /// Writes the value.
            #[track_caller]
            pub fn store(&self, value: $value, ordering: Ordering) {
                if let Some(ordering) = site::ordered("store", ordering) {
                    self.0.store(value, ordering);
                }
            }

            /// Replaces the value; returns the previous one.
            #[track_caller]
            pub fn swap(&self, value: $value, ordering: Ordering) -> $value {
                match site::ordered("swap", ordering) {
                    Some(ordering) => self.0.swap(value, ordering),
                    None => $keep(&self.0, ordering),
                }
            }

            /// Writes `new` if the value is `current`; returns the previous value.
            ///
            /// # Errors
            ///
            /// Returns the value if it is not `current`.
            #[track_caller]
            pub fn compare_exchange(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                let (success, failure) = site::exchange("compare_exchange", success, failure);
                self.0.compare_exchange(current, new, success, failure)
            }

            /// Like [`compare_exchange`](Self::compare_exchange): loom's does not fail spuriously.
            ///
            /// # Errors
            ///
            /// See [`compare_exchange`](Self::compare_exchange).
            #[track_caller]
            pub fn compare_exchange_weak(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                let (success, failure) = site::exchange("compare_exchange_weak", success, failure);
                self.0.compare_exchange_weak(current, new, success, failure)
            }

            /// Replaces the value with the result of `f`; returns the previous value.
            ///
            /// # Errors
            ///
            /// Returns the value for which `f` returned `None`.
            #[track_caller]
            pub fn fetch_update<F>(
                &self,
                set: Ordering,
                fetch: Ordering,
                f: F,
            ) -> Result<$value, $value>
            where
                F: FnMut($value) -> Option<$value>,
            {
                let (set, fetch) = site::exchange("fetch_update", set, fetch);
                self.1.pass();
                self.0.fetch_update(set, fetch, f)
            }
        }

        impl$(<$parameter>)? From<$value> for $name$(<$parameter>)? {
            #[track_caller]
            fn from(value: $value) -> Self {
                Self::new(value)
            }
        }
    };
}

/// The read-modify-writes of some atomics. `$nothing` is the operand with which "or" changes
/// nothing.
macro_rules! fetch {
    ($name:ident, $value:ty, $nothing:expr, $($operation:ident $what:literal),+) => {
        impl $name {
            $(
                #[doc = $what]
                #[track_caller]
                pub fn $operation(&self, value: $value, ordering: Ordering) -> $value {
                    match site::ordered(stringify!($operation), ordering) {
                        Some(ordering) => self.0.$operation(value, ordering),
                        None => self.0.fetch_or($nothing, ordering),
                    }
                }
            )+
        }
    };
}

macro_rules! integer {
    ($name:ident, $value:ty) => {
        #[doc = concat!("An atomic `", stringify!($value), "`.")]
        #[derive(Debug, Default)]
        pub struct $name(loom::sync::atomic::$name, Point);

        common!(
            $name,
            $value,
            |it: &loom::sync::atomic::$name, ordering| it.fetch_or(0, ordering)
        );
        fetch!(
            $name,
            $value,
            0,
            fetch_add "Adds, wrapping; returns the previous value.",
            fetch_sub "Subtracts, wrapping; returns the previous value.",
            fetch_and "Keeps the bits of `value`; returns the previous value.",
            fetch_nand "Keeps and inverts the bits of `value`; returns the previous value.",
            fetch_or "Sets the bits of `value`; returns the previous value.",
            fetch_xor "Flips the bits of `value`; returns the previous value.",
            fetch_max "Keeps the greater value; returns the previous one.",
            fetch_min "Keeps the smaller value; returns the previous one."
        );
    };
}

integer!(AtomicU8, u8);
integer!(AtomicU16, u16);
integer!(AtomicU32, u32);
integer!(AtomicU64, u64);
integer!(AtomicUsize, usize);
integer!(AtomicI32, i32);
integer!(AtomicI64, i64);
integer!(AtomicIsize, isize);

/// An atomic `bool`.
#[derive(Debug, Default)]
pub struct AtomicBool(loom::sync::atomic::AtomicBool, Point);

common!(AtomicBool, bool, |it: &loom::sync::atomic::AtomicBool,
                           ordering| it
    .fetch_or(false, ordering));
fetch!(
    AtomicBool,
    bool,
    false,
    fetch_and "Logical \"and\"; returns the previous value.",
    fetch_nand "Logical \"nand\"; returns the previous value.",
    fetch_or "Logical \"or\"; returns the previous value.",
    fetch_xor "Logical \"xor\"; returns the previous value."
);

/// An atomic pointer.
#[derive(Debug, Default)]
pub struct AtomicPtr<T>(loom::sync::atomic::AtomicPtr<T>, Point);

common!(AtomicPtr, *mut T, keep_pointer, T);

/// Changes nothing: loom's pointers have no "or".
#[track_caller]
fn keep_pointer<T>(it: &loom::sync::atomic::AtomicPtr<T>, ordering: Ordering) -> *mut T {
    let failure = match ordering {
        Ordering::Relaxed | Ordering::Release => Ordering::Relaxed,
        Ordering::SeqCst => Ordering::SeqCst,
        _ => Ordering::Acquire,
    };
    match it.fetch_update(ordering, failure, Some) {
        Ok(value) | Err(value) => value,
    }
}
