//! hyper on framewise: its executor and its timer.
//!
//! The streams of [`net`](crate::net) implement hyper's `Read` and `Write` themselves.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Executor, Sleep, Timer};

use crate::time;

/// Spawns hyper's background tasks on the runtime that the thread is in.
///
/// # Frame
///
/// [`new`](Self::new) makes an executor whose tasks inherit the frame of whoever makes hyper spawn
/// them: right for a server's HTTP/2 streams. [`at_root`](Self::at_root) makes one whose tasks run
/// at the root: right for a client with a pool, whose connections outlive the request that happened
/// to open them.
///
/// # Panics
///
/// Spawning panics outside of a runtime.
#[derive(Clone, Copy, Debug, Default)]
pub struct FramewiseExecutor {
    at_root: bool,
}

impl FramewiseExecutor {
    /// An executor whose tasks inherit the current frame.
    pub const fn new() -> Self {
        Self { at_root: false }
    }

    /// An executor whose tasks run at the root.
    pub const fn at_root() -> Self {
        Self { at_root: true }
    }
}

impl<F> Executor<F> for FramewiseExecutor
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        drop(if self.at_root {
            crate::spawn_root(future)
        } else {
            crate::spawn(future)
        });
    }
}

/// hyper's clock on the runtime's timers: header time-outs, keep-alive, idle pools.
#[derive(Clone, Copy, Debug, Default)]
pub struct FramewiseTimer;

impl FramewiseTimer {
    /// The timer; it has no state.
    pub const fn new() -> Self {
        Self
    }
}

impl Timer for FramewiseTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        Box::pin(HyperSleep(time::sleep(duration)))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(HyperSleep(time::sleep_until(deadline)))
    }

    fn now(&self) -> Instant {
        time::now()
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn Sleep>>, deadline: Instant) {
        match sleep.as_mut().downcast_mut_pin::<HyperSleep>() {
            Some(mut ours) => ours.0.reset(deadline),
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
