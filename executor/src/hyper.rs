//! hyper on framewise: its executor and its timer, and with the feature `http` a connector and a
//! pooled client for hyper-util.
//!
//! The streams of [`net`](crate::net) implement hyper's `Read` and `Write` themselves.

#[cfg(feature = "http")]
mod client;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use framewise_context::Frame;
use hyper::rt::{Executor, Sleep, Timer};

#[cfg(feature = "http")]
pub use client::{Connector, client, client_builder};

use crate::runtime::Handle;
use crate::task::large::boxed_if_large;
use crate::time;

/// Spawns hyper's background tasks on the runtime that the thread is in.
///
/// # Frame
///
/// The tasks run at the root: what hyper spawns drives a connection, which outlives the request
/// that happens to open it, and an inherited frame would be kept and visible to every later request
/// (C-90). Work that belongs to a request gets its frame from the layers of [`tower`](crate::tower)
/// (feature `tower`) or from a scope.
///
/// [`inheriting`](Self::inheriting) is for a server that binds values for a whole connection, such
/// as its peer's address.
///
/// # Panics
///
/// Spawning panics outside of a runtime.
///
/// # Examples
///
/// ```
/// use framewise::{ContextVar, hyper::FramewiseExecutor};
/// use hyper::rt::Executor;
/// static REQUEST: ContextVar<u64> = ContextVar::new("request");
///
/// framewise::block_on(REQUEST.scope(1, async {
///     let (sender, receiver) = async_channel::bounded(1);
///     let driver = async move { sender.send(REQUEST.get()).await.unwrap() };
///     FramewiseExecutor::new().execute(driver);
///     assert_eq!(receiver.recv().await.unwrap(), None);
/// }));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct FramewiseExecutor {
    inherits: bool,
}

impl FramewiseExecutor {
    /// Creates an executor whose tasks run at the root.
    pub const fn new() -> Self {
        Self { inherits: false }
    }

    /// Creates an executor whose tasks run at the root: like [`new`](Self::new), for code that
    /// should name it.
    pub const fn at_root() -> Self {
        Self::new()
    }

    /// Creates an executor whose tasks inherit the frame in which hyper spawns them: for a server,
    /// whose HTTP/2 requests then see what is bound around the connection, as HTTP/1 requests do.
    ///
    /// Not for a client: its connections would keep the frame of the request that opened them, and
    /// send the bodies of other requests in that frame.
    ///
    /// ```
    /// use framewise::{ContextVar, hyper::FramewiseExecutor};
    /// use hyper::rt::Executor;
    /// static PEER: ContextVar<&str> = ContextVar::new("peer");
    ///
    /// framewise::block_on(PEER.scope("10.0.0.1", async {
    ///     let (sender, receiver) = async_channel::bounded(1);
    ///     let stream = async move { sender.send(PEER.get()).await.unwrap() };
    ///     FramewiseExecutor::inheriting().execute(stream);
    ///     assert_eq!(receiver.recv().await.unwrap(), Some("10.0.0.1"));
    /// }));
    /// ```
    pub const fn inheriting() -> Self {
        Self { inherits: true }
    }
}

impl<F> Executor<F> for FramewiseExecutor
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        let frame = if self.inherits {
            Frame::current().inherited()
        } else {
            Frame::root()
        };
        drop(boxed_if_large!(F, future => Handle::current().spawner.spawn(future, frame, ())));
    }
}

/// hyper's clock on the runtime's timers: header time-outs, keep-alive, idle pools.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use framewise::hyper::FramewiseTimer;
/// use hyper::server::conn::http1;
///
/// let mut server = http1::Builder::new();
/// server.timer(FramewiseTimer::new()).header_read_timeout(Duration::from_secs(10));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct FramewiseTimer;

impl FramewiseTimer {
    /// Creates the timer, which has no state.
    pub const fn new() -> Self {
        Self
    }
}

impl Timer for FramewiseTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        Box::pin(HyperSleep(time::sleep(duration)))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(HyperSleep(time::sleep_until(deadline.into())))
    }

    fn now(&self) -> Instant {
        time::Instant::now().into_std()
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn Sleep>>, deadline: Instant) {
        match sleep.as_mut().downcast_mut_pin::<HyperSleep>() {
            Some(mut ours) => ours.0.reset(deadline.into()),
            None => *sleep = self.sleep_until(deadline),
        }
    }
}

struct HyperSleep(time::Sleep);

impl Future for HyperSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl Sleep for HyperSleep {}
