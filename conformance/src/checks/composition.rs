//! Contract, "Composition": C-66 to C-75.

/// The checks of this chapter.
#[doc(hidden)]
#[macro_export]
macro_rules! __composition_checks {
    ({ $($callback:tt)* } $arguments:tt) => {
        $($callback)*! { $arguments composition:
        }
    };
}
