//! Contract, "Composition", side by side: C-68 to C-70, C-72, C-73.

/// The checks of this part of the chapter.
#[doc(hidden)]
#[macro_export]
macro_rules! __siblings_checks {
    ({ $($callback:tt)* } $arguments:tt) => {
        $($callback)*! { $arguments siblings:
        }
    };
}
