//! Contract, "Wakes, time, I/O": C-50 to C-60.

/// The checks of this chapter.
#[doc(hidden)]
#[macro_export]
macro_rules! __time_io_checks {
    ({ $($callback:tt)* } $arguments:tt) => {
        $($callback)*! { $arguments time_io:
        }
    };
}
