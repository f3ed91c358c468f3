//! Contract, "Values", in the long run: C-79 to C-81.

/// The checks of this part of the chapter.
#[doc(hidden)]
#[macro_export]
macro_rules! __leaks_checks {
    ({ $($callback:tt)* } $arguments:tt) => {
        $($callback)*! { $arguments leaks:
        }
    };
}
