//! The wrapping that users of an executor without frames write around futures and calls, or omit.

use framewise_conformance::context::Frame;
use framewise_conformance::{BoxFuture, LocalBoxFuture, Output};

/// Defines whether futures and calls are wrapped when they are spawned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrapping {
    /// Wrapped in the frame that is current at the spawn.
    Wrapped,
    /// Not wrapped.
    Bare,
}

impl Wrapping {
    pub(crate) fn task<T: 'static>(self, task: BoxFuture<'static, T>) -> BoxFuture<'static, T> {
        match self {
            Wrapping::Wrapped => Box::pin(Frame::current().inherited().scope(task)),
            Wrapping::Bare => task,
        }
    }

    pub(crate) fn local(self, task: LocalBoxFuture<'static, ()>) -> LocalBoxFuture<'static, ()> {
        match self {
            Wrapping::Wrapped => Box::pin(Frame::current().inherited().scope(task)),
            Wrapping::Bare => task,
        }
    }

    pub(crate) fn call(
        self,
        call: Box<dyn FnOnce() -> Output + Send>,
    ) -> Box<dyn FnOnce() -> Output + Send> {
        match self {
            Wrapping::Wrapped => Box::new(Frame::current().wrap_once(call)),
            Wrapping::Bare => call,
        }
    }
}

/// [`Joining::spawn_joinable`](framewise_conformance::Joining::spawn_joinable) for executors whose
/// handle rethrows a panic in its awaiter, and cancels the task when it is dropped.
pub(crate) mod joining {
    use std::panic::AssertUnwindSafe;

    use framewise_conformance::{BoxFuture, Ended, JoinHandle, Output};
    use futures::FutureExt;

    /// A handle that is a future, and rethrows the panic of its task.
    pub(crate) trait Cancelling: Future<Output = Output> + Send + Sync + 'static {
        fn detach(self);
    }

    /// Joins, detaches and cancels such a handle.
    pub(crate) struct Joined<H>(Option<H>);

    impl<H: Cancelling> Joined<H> {
        pub(crate) fn boxed(handle: H) -> Box<dyn JoinHandle> {
            Box::new(Self(Some(handle)))
        }
    }

    impl<H: Cancelling> JoinHandle for Joined<H> {
        fn join(self: Box<Self>) -> BoxFuture<'static, Result<Output, Ended>> {
            Box::pin(async {
                // After a cancellation, which drops the handle, there is nothing to wait for.
                let handle = self.0.ok_or_else(Ended::default)?;
                let joined = AssertUnwindSafe(handle).catch_unwind().await;
                joined.map_err(|payload| Ended {
                    panic: Some(payload),
                    frame: None,
                })
            })
        }

        fn detach(mut self: Box<Self>) {
            if let Some(handle) = self.0.take() {
                handle.detach();
            }
        }

        fn abort(&mut self) -> bool {
            drop(self.0.take());
            true
        }
    }
}
