//! What users of an executor that knows no frames write around their futures and calls, or leave
//! out.

use framewise_conformance::context::Frame;
use framewise_conformance::{BoxFuture, LocalBoxFuture, Output};

/// `true` if what is spawned is wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrapping {
    /// In the frame that is current where it is spawned.
    Wrapped,
    /// Spawned as it is.
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

/// What [`Joining::spawn_joinable`](framewise_conformance::Joining::spawn_joinable) is on executors
/// whose handle passes a panic on to whoever awaits it, and cancels where it is dropped.
pub(crate) mod joining {
    use std::panic::AssertUnwindSafe;

    use framewise_conformance::{BoxFuture, Ended, JoinHandle, Output};
    use futures::FutureExt;

    /// A handle that is a future, which panics as its task did.
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
                // Whoever cancelled by dropping the handle has nothing left to wait for.
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
