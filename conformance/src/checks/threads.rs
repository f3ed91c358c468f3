//! Contract, "Threads": C-61 to C-65.

/// The checks of this chapter.
#[doc(hidden)]
#[macro_export]
macro_rules! __threads_checks {
    ({ $($callback:tt)* } $arguments:tt) => {
        $($callback)*! { $arguments threads:
        }
    };
}
