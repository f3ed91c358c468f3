//! Contract, "Errors": C-82 and C-83.

/// The checks of this chapter.
#[doc(hidden)]
#[macro_export]
macro_rules! __errors_checks {
    ({ $($callback:tt)* } $arguments:tt) => {
        $($callback)*! { $arguments errors:
        }
    };
}
