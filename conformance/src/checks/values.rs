//! Contract, "Values": C-76 to C-81.

/// The checks of this chapter.
#[doc(hidden)]
#[macro_export]
macro_rules! __values_checks {
    ({ $($callback:tt)* } $arguments:tt) => {
        $($callback)*! { $arguments values:
        }
    };
}
