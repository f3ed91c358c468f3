//! The checks of the suite for executors, a file a chapter of the contract.
//!
//! Each file has a list of its checks' names, as a macro, from which both the suite's table and the
//! `#[test]`s of [`executor_tests!`](crate::executor_tests) are made.

pub(crate) mod basics;
pub(crate) mod calls;
pub(crate) mod cancelling;
pub(crate) mod channels;
pub(crate) mod composition;
pub(crate) mod elsewhere;
pub(crate) mod ends;
pub(crate) mod errors;
pub(crate) mod flow;
pub(crate) mod flowing;
pub(crate) mod handed_over;
pub(crate) mod holders;
pub(crate) mod innermost;
pub(crate) mod io;
pub(crate) mod io_callbacks;
pub(crate) mod leaks;
pub(crate) mod lending;
pub(crate) mod limits;
pub(crate) mod nested;
pub(crate) mod polling;
pub(crate) mod pools;
pub(crate) mod siblings;
pub(crate) mod sleeping;
pub(crate) mod snapshots;
pub(crate) mod tasks;
pub(crate) mod threads;
pub(crate) mod time_io;
pub(crate) mod timer_callbacks;
pub(crate) mod unhandled;
pub(crate) mod values;
pub(crate) mod within;
pub(crate) mod workers;

use crate::check_context::CheckContext;
use crate::runner::Check;

/// Every check, in the contract's order.
#[allow(
    clippy::vec_init_then_push,
    reason = "each chapter's macro pushes its own"
)]
pub(crate) fn executor() -> Vec<Check<CheckContext>> {
    let mut checks = Vec::new();
    crate::__for_each_executor_chapter!({ crate::__collect }(checks));
    checks
}

/// Calls each chapter's list with the same callback.
#[doc(hidden)]
#[macro_export]
macro_rules! __for_each_executor_chapter {
    ($callback:tt $arguments:tt) => {
        $crate::__basics_checks!($callback $arguments);
        $crate::__limits_checks!($callback $arguments);
        $crate::__snapshots_checks!($callback $arguments);
        $crate::__holders_checks!($callback $arguments);
        $crate::__tasks_checks!($callback $arguments);
        $crate::__ends_checks!($callback $arguments);
        $crate::__time_io_checks!($callback $arguments);
        $crate::__sleeping_checks!($callback $arguments);
        $crate::__timer_callbacks_checks!($callback $arguments);
        $crate::__channels_checks!($callback $arguments);
        $crate::__pools_checks!($callback $arguments);
        $crate::__io_checks!($callback $arguments);
        $crate::__io_callbacks_checks!($callback $arguments);
        $crate::__threads_checks!($callback $arguments);
        $crate::__calls_checks!($callback $arguments);
        $crate::__nested_checks!($callback $arguments);
        $crate::__elsewhere_checks!($callback $arguments);
        $crate::__composition_checks!($callback $arguments);
        $crate::__siblings_checks!($callback $arguments);
        $crate::__handed_over_checks!($callback $arguments);
        $crate::__values_checks!($callback $arguments);
        $crate::__leaks_checks!($callback $arguments);
        $crate::__errors_checks!($callback $arguments);
        $crate::__innermost_checks!($callback $arguments);
        $crate::__unhandled_checks!($callback $arguments);
        $crate::__flow_checks!($callback $arguments);
        $crate::__cancelling_checks!($callback $arguments);
    };
}

/// Pushes the checks of a chapter to a vector.
#[doc(hidden)]
#[macro_export]
macro_rules! __collect {
    (($checks:ident) $chapter:ident: $($name:ident)*) => {
        $($checks.push($crate::runner::Check {
            name: stringify!($name),
            run: $crate::checks::$chapter::$name,
        });)*
    };
}

/// Makes a module of tests from the checks of a chapter.
#[doc(hidden)]
#[macro_export]
macro_rules! __executor_chapter_tests {
    (($make:expr) $chapter:ident: $($name:ident)*) => {
        mod $chapter {
            #[allow(unused_imports, reason = "the expression may need none of them")]
            use super::*;
            $(
                #[test]
                fn $name() {
                    $crate::Suite::executor(stringify!($make), || $make)
                        .only_check(stringify!($name))
                        .run_as_test();
                }
            )*
        }
    };
}

/// Makes an ordinary `#[test]` of each check of the suite for executors.
///
/// The argument makes the executor; it is evaluated again for each check.
#[macro_export]
macro_rules! executor_tests {
    ($make:expr) => {
        $crate::__for_each_executor_chapter!({ $crate::__executor_chapter_tests }($make));
    };
}
