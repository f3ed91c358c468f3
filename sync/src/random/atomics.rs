//! shuttle's atomics. Their weak exchanges sometimes fail spuriously.

use std::ops::Deref;
use std::sync::atomic::Ordering;

use super::chance;

/// The methods of every atomic that differ from shuttle's.
macro_rules! atomic {
    ($what:literal, $name:ident, $value:ty $(, $parameter:ident)?) => {
        #[doc = $what]
        #[derive(Debug, Default)]
        pub struct $name$(<$parameter>)?(shuttle::sync::atomic::$name$(<$parameter>)?);

        impl$(<$parameter>)? $name$(<$parameter>)? {
            /// Makes an atomic that holds `value`.
            #[track_caller]
            pub const fn new(value: $value) -> Self {
                Self(shuttle::sync::atomic::$name::new(value))
            }

            /// Takes the value out.
            pub fn into_inner(self) -> $value {
                self.0.into_inner()
            }

            /// Like `compare_exchange`, but sometimes fails although the value is `current`.
            ///
            /// # Errors
            ///
            /// Returns the value that was found.
            pub fn compare_exchange_weak(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                if chance::one_in(chance::SPURIOUS_FAILURE) {
                    return Err(self.0.load(Ordering::SeqCst));
                }
                self.0.compare_exchange(current, new, success, failure)
            }

            /// Replaces the value with the result of `f`; returns the previous value.
            ///
            /// # Errors
            ///
            /// Returns the value for which `f` returned `None`.
            pub fn fetch_update<F>(
                &self,
                set: Ordering,
                fetch: Ordering,
                mut f: F,
            ) -> Result<$value, $value>
            where
                F: FnMut($value) -> Option<$value>,
            {
                let mut now = self.0.load(fetch);
                while let Some(next) = f(now) {
                    match self.compare_exchange_weak(now, next, set, fetch) {
                        Ok(before) => return Ok(before),
                        Err(seen) => now = seen,
                    }
                }
                Err(now)
            }
        }

        impl$(<$parameter>)? Deref for $name$(<$parameter>)? {
            type Target = shuttle::sync::atomic::$name$(<$parameter>)?;

            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }

        impl$(<$parameter>)? From<$value> for $name$(<$parameter>)? {
            fn from(value: $value) -> Self {
                Self::new(value)
            }
        }
    };
}

atomic!("An atomic `u8`.", AtomicU8, u8);
atomic!("An atomic `u16`.", AtomicU16, u16);
atomic!("An atomic `u32`.", AtomicU32, u32);
atomic!("An atomic `u64`.", AtomicU64, u64);
atomic!("An atomic `usize`.", AtomicUsize, usize);
atomic!("An atomic `i32`.", AtomicI32, i32);
atomic!("An atomic `i64`.", AtomicI64, i64);
atomic!("An atomic `isize`.", AtomicIsize, isize);
atomic!("An atomic `bool`.", AtomicBool, bool);
atomic!("An atomic pointer.", AtomicPtr, *mut T, T);
