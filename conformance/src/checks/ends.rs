//! Contract, "Tasks", at their end: C-39 to C-49.

/// The checks of this chapter.
#[doc(hidden)]
#[macro_export]
macro_rules! __ends_checks {
    ({ $($callback:tt)* } $arguments:tt) => {
        $($callback)*! { $arguments ends:
        }
    };
}
