//! Contract, "Snapshots": C-15 to C-24.

/// The checks of this chapter.
#[doc(hidden)]
#[macro_export]
macro_rules! __snapshots_checks {
    ({ $($callback:tt)* } $arguments:tt) => {
        $($callback)*! { $arguments snapshots:
        }
    };
}
