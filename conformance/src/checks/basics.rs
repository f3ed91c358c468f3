//! Contract, "Basics": C-1 to C-14.

/// The checks of this chapter.
#[doc(hidden)]
#[macro_export]
macro_rules! __basics_checks {
    ({ $($callback:tt)* } $arguments:tt) => {
        $($callback)*! { $arguments basics:
        }
    };
}
