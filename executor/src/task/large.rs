//! Futures, closures and outputs that are too large to be passed by value.
//!
//! Owns the size limit, and the boxes. Without optimization, each function that passes a value on
//! has a copy of it in its stack frame, and has it even if the copy is in a branch that is never
//! taken. A few such functions overflow a thread's stack. The public functions therefore move a
//! future into a box before anything else: each one in a debug build, which so compiles no other
//! branch, and large ones in a release build, which decides that at compile time. The idea and the
//! release build's limit are tokio's.
//!
//! A large output is moved into a box where the future's poll has returned it ([`BoxOutput`]), and
//! stays there until `JoinHandle::poll` or `block_on` returns it. The functions in between pass the
//! box on. The poll itself returns by value, so one copy is left on the worker's stack, and one in
//! the caller of the other two. The limit is the same in both builds: a branch on a constant in a
//! `const` block is not compiled where it is not taken.

use std::future::Future;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::ptr;
use std::task::{Context, Poll};

use super::JoinError;

/// Evaluates `$then` with the future `$future`, of the type `$type`, in a box if that type is
/// large. The calling function must not use the future otherwise.
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

/// Returns `true` if values of this type are moved into a box: outputs in each build, futures and
/// closures in a release build.
pub(crate) const fn is_large<T>() -> bool {
    const LIMIT: usize = 16 * 1024;
    size_of::<T>() > LIMIT
}

/// What `JoinHandle::poll` returns when a task has an output.
type Joined<T> = Poll<Result<T, JoinError>>;

/// A large output on the heap, in the form in which it is joined: `Poll::Ready(Ok(output))`.
pub(crate) struct LargeOutput<T>(Box<Joined<T>>);

impl<T> LargeOutput<T> {
    /// Moves the output to the caller.
    pub(crate) fn into_joined(self) -> Joined<T> {
        // Without optimization, too, this moves out of the box into the caller's place.
        *self.0
    }

    /// Moves the output to the caller, without what it is wrapped in.
    pub(crate) fn into_output(self) -> T {
        match *self.0 {
            Poll::Ready(Ok(output)) => output,
            Poll::Ready(Err(_)) | Poll::Pending => unreachable!("the form is always the same"),
        }
    }
}

/// A place on the heap for an output. It has room for the output alone, and for what that is
/// wrapped in.
struct Place<T>(Box<MaybeUninit<Joined<T>>>);

impl<T> Place<T> {
    fn new() -> Self {
        Self(Box::new_uninit())
    }

    fn as_mut_ptr<U>(&mut self) -> *mut U {
        self.0.as_mut_ptr().cast()
    }

    /// Wraps the output. There is one function for each layer: without optimization, each layer is
    /// one more copy in the stack frame.
    ///
    /// # Safety
    ///
    /// The place holds the output, a `T`, which is the place's from now on.
    unsafe fn wrap(mut self) -> LargeOutput<T> {
        /// # Safety
        ///
        /// The place holds a `T`, and has room for the result.
        unsafe fn wrap_ok<T>(place: *mut T) {
            // SAFETY: by the contract; the value is read before its place is written.
            unsafe { place.cast::<Result<T, JoinError>>().write(Ok(place.read())) }
        }

        /// # Safety
        ///
        /// The place holds a `T`, and has room for the result.
        unsafe fn wrap_ready<T>(place: *mut T) {
            // SAFETY: by the contract; the value is read before its place is written.
            unsafe { place.cast::<Poll<T>>().write(Poll::Ready(place.read())) }
        }

        // SAFETY: the place has room for the last of these, which contains the others, so it is as
        // large and as aligned as each. It holds what the step before has written, and the last
        // step makes the value that the box is for. Neither step panics.
        unsafe {
            wrap_ok::<T>(self.as_mut_ptr());
            wrap_ready::<Result<T, JoinError>>(self.as_mut_ptr());
            LargeOutput(self.0.assume_init())
        }
    }
}

/// A future whose large output is moved to the heap when it is ready.
pub(crate) struct BoxOutput<F>(pub(crate) F);

impl<F: Future> Future for BoxOutput<F> {
    type Output = LargeOutput<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        /// Polls the future and moves the output to the heap. The copy on the stack is gone when
        /// this returns.
        fn poll_to_heap<F: Future>(
            future: Pin<&mut F>,
            cx: &mut Context<'_>,
        ) -> Option<Place<F::Output>> {
            let mut polled = future.poll(cx);
            take_ready(&mut polled)
        }

        /// Moves an output to the heap. A function of its own: `Pending` is one more copy in the
        /// stack frame, and so would a move be.
        fn take_ready<T>(polled: &mut Poll<T>) -> Option<Place<T>> {
            let Poll::Ready(output) = polled else {
                return None;
            };
            let mut place = Place::new();
            // SAFETY: the place has room for the output, which is overwritten in the next step.
            unsafe { ptr::copy_nonoverlapping(output, place.as_mut_ptr(), 1) };
            // SAFETY: the pointer is a reference's. The old value has moved, so it is not dropped.
            unsafe { ptr::from_mut(polled).write(Poll::Pending) };
            Some(place)
        }

        // SAFETY: the field is pinned with the wrapper, which has no destructor.
        let future = unsafe { self.map_unchecked_mut(|this| &mut this.0) };
        match poll_to_heap(future, cx) {
            // SAFETY: the place holds the output, which is in no other place.
            Some(place) => Poll::Ready(unsafe { place.wrap() }),
            None => Poll::Pending,
        }
    }
}
