//! Running code with another budget than that of its caller.

use super::{Budget, FULL, UNCONSTRAINED};
use crate::current;

/// Runs `f` with a full budget, and restores the previous budget afterwards, also if `f` panics.
///
/// For executors: each poll of a task belongs inside it.
///
/// # Examples
///
/// ```
/// use std::cell::Cell;
/// use std::pin::pin;
/// use std::task::{Context, Waker};
/// use framewise_context::coop::{consume_budget, with_budget};
///
/// let operations = Cell::new(0);
/// let mut task = pin!(async {
///     loop {
///         consume_budget().await;
///         operations.set(operations.get() + 1);
///     }
/// });
/// let mut cx = Context::from_waker(Waker::noop());
/// assert!(with_budget(|| task.as_mut().poll(&mut cx)).is_pending());
/// assert_eq!(operations.get(), 128);
/// ```
#[inline]
pub fn with_budget<R>(f: impl FnOnce() -> R) -> R {
    with(FULL, f)
}

/// Runs `f` without a budget: no operation in it takes a unit or is denied. Restores the previous
/// budget afterwards, also if `f` panics.
///
/// For code that is not part of a task: callbacks, blocking closures.
///
/// # Examples
///
/// ```
/// use framewise_context::coop::{consume_budget, with_budget, with_unconstrained};
/// use futures::FutureExt;
///
/// let spend = || (0..1000).all(|_| consume_budget().now_or_never().is_some());
/// assert!(!with_budget(spend));
/// assert!(with_budget(|| with_unconstrained(spend)));
/// ```
#[inline]
pub fn with_unconstrained<R>(f: impl FnOnce() -> R) -> R {
    with(UNCONSTRAINED, f)
}

#[inline]
fn with<R>(budget: Budget, f: impl FnOnce() -> R) -> R {
    struct Restore(Budget);
    impl Drop for Restore {
        fn drop(&mut self) {
            current::set_budget(self.0);
        }
    }

    let _restore = Restore(current::set_budget(budget));
    f()
}
