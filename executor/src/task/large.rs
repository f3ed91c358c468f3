//! Futures and closures that are too large to be passed by value.
//!
//! Owns the size limit, and the boxes. Without optimization, each function that passes a value on has a
//! copy of it in its stack frame, and has it even if the copy is in a branch that is never taken. A few
//! such functions overflow a thread's stack. The public functions therefore move a future into a box
//! before anything else: each one in a debug build, which so compiles no other branch, and large ones in
//! a release build, which decides that at compile time. The idea and the release build's limit are
//! tokio's.

/// Evaluates `$then` with the future `$future`, of the type `$type`, in a box if that type is large. The
/// calling function must not use the future otherwise.
#[cfg(debug_assertions)]
macro_rules! boxed_if_large {
    ($type:ty, $future:ident => $then:expr) => {{
        let $future = ::std::boxed::Box::pin($future);
        $then
    }};
}

#[cfg(not(debug_assertions))]
macro_rules! boxed_if_large {
    ($type:ty, $future:ident => $then:expr) => {
        if $crate::task::large::is_large::<$type>() {
            let $future = ::std::boxed::Box::pin($future);
            $then
        } else {
            $then
        }
    };
}
pub(crate) use boxed_if_large;

/// The same for a closure without parameters. A call of the box moves the closure no more, as it is
/// behind `dyn`.
#[cfg(debug_assertions)]
macro_rules! boxed_call_if_large {
    ($type:ty, $call:ident => $then:expr) => {{
        let $call: ::std::boxed::Box<dyn FnOnce() -> _ + Send> = ::std::boxed::Box::new($call);
        $then
    }};
}

#[cfg(not(debug_assertions))]
macro_rules! boxed_call_if_large {
    ($type:ty, $call:ident => $then:expr) => {
        if $crate::task::large::is_large::<$type>() {
            let $call: ::std::boxed::Box<dyn FnOnce() -> _ + Send> = ::std::boxed::Box::new($call);
            $then
        } else {
            $then
        }
    };
}
pub(crate) use boxed_call_if_large;

/// Returns `true` if values of this type are moved into a box by a release build.
#[cfg(not(debug_assertions))]
pub(crate) const fn is_large<T>() -> bool {
    const LIMIT: usize = 16 * 1024;
    size_of::<T>() > LIMIT
}
