//! `Face`: what every measured runtime can do, under one set of names.
//!
//! Owns no work and no clock. Each method is the runtime's own idiom, and costs nothing beyond it.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::means::Means;

/// The workers of every runtime, unless a measurement says otherwise.
pub const WORKERS: usize = 2;

/// A runtime.
pub trait Face: Sized + Send + Sync + 'static {
    /// Its name in tables.
    const NAME: &'static str;

    /// What a task needs in order to spawn: nothing where the runtime is ambient.
    type Handle: Copy + Send + Sync + 'static;

    /// Awaits a spawned task.
    type Join<T: Send + 'static>: Future<Output = T> + Send + Unpin + 'static;

    /// How one key is carried to whatever a task does.
    type K1: Means;
    /// How four keys are carried.
    type K4: Means;
    /// How sixteen keys are carried.
    type K16: Means;

    /// The runtime's listening socket.
    type Listener: Send + Sync + 'static;
    /// The runtime's connection.
    type Stream: Send + 'static;

    /// Starts it with that many worker threads.
    fn start(workers: usize) -> Self;

    /// What tasks spawn with.
    fn handle(&self) -> Self::Handle;

    /// Spawns from a thread that is none of the runtime's.
    fn spawn_outside<F>(&self, future: F) -> Self::Join<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;

    /// Parks this thread, which works for nobody, until `future` is ready.
    fn block_on<F: Future>(&self, future: F) -> F::Output;

    /// Spawns from a task.
    fn spawn<F>(handle: Self::Handle, future: F) -> Self::Join<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;

    /// Spawns, from a task, one that nobody awaits.
    fn detach<F>(handle: Self::Handle, future: F)
    where
        F: Future<Output = ()> + Send + 'static;

    /// Lets other tasks run.
    fn yield_now() -> impl Future<Output = ()> + Send;

    /// Sleeps.
    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send + 'static;

    /// Listens on a free port of the loopback. To be called in a task.
    fn listen() -> io::Result<(Self::Listener, SocketAddr)>;

    /// Accepts a connection, which sends at once (`TCP_NODELAY`).
    fn accept(listener: &Self::Listener) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// Reads what is there. Zero is the end.
    fn read(
        stream: &mut Self::Stream,
        buffer: &mut [u8],
    ) -> impl Future<Output = io::Result<usize>> + Send;

    /// Writes all of it.
    fn write_all(
        stream: &mut Self::Stream,
        buffer: &[u8],
    ) -> impl Future<Output = io::Result<()>> + Send;

    /// Runs `future` as a task and waits for it.
    fn run<F>(&self, future: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.block_on(self.spawn_outside(future))
    }
}
