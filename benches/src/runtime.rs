//! `BenchRuntime`: the interface to the measured runtimes.
//!
//! Owns no workload and no clock. Each method is the runtime's own idiom and adds no cost.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::carrier::Carrier;

/// The default number of worker threads of each runtime.
pub const WORKERS: usize = 2;

/// A measured runtime.
pub trait BenchRuntime: Sized + Send + Sync + 'static {
    /// The runtime's name in tables.
    const NAME: &'static str;

    /// The value that a task needs in order to spawn; `()` if the runtime uses a thread-local
    /// handle.
    type Handle: Copy + Send + Sync + 'static;

    /// The join handle of a spawned task.
    type Join<T: Send + 'static>: Future<Output = T> + Send + Unpin + 'static;

    /// The carrier of one key.
    type K1: Carrier;
    /// The carrier of four keys.
    type K4: Carrier;
    /// The carrier of sixteen keys.
    type K16: Carrier;

    /// The runtime's listening socket.
    type Listener: Send + Sync + 'static;
    /// The runtime's connection.
    type Stream: Send + 'static;

    /// Starts the runtime with that many worker threads.
    fn start(workers: usize) -> Self;

    /// Returns the handle with which tasks spawn.
    fn handle(&self) -> Self::Handle;

    /// Spawns a task from a thread that does not belong to the runtime.
    fn spawn_outside<F>(&self, future: F) -> Self::Join<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;

    /// Parks this thread until `future` is ready. The thread runs no tasks meanwhile.
    fn block_on<F: Future>(&self, future: F) -> F::Output;

    /// Spawns a task from a task.
    fn spawn<F>(handle: Self::Handle, future: F) -> Self::Join<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;

    /// Spawns a detached task from a task.
    fn detach<F>(handle: Self::Handle, future: F)
    where
        F: Future<Output = ()> + Send + 'static;

    /// Yields to other tasks.
    fn yield_now() -> impl Future<Output = ()> + Send;

    /// Sleeps for `duration`.
    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send + 'static;

    /// Listens on a free port of the loopback interface. Must be called in a task.
    fn listen() -> io::Result<(Self::Listener, SocketAddr)>;

    /// Accepts a connection and sets `TCP_NODELAY`.
    fn accept(listener: &Self::Listener) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// Reads the available bytes. Zero means the end.
    fn read(
        stream: &mut Self::Stream,
        buffer: &mut [u8],
    ) -> impl Future<Output = io::Result<usize>> + Send;

    /// Writes the whole buffer.
    fn write_all(
        stream: &mut Self::Stream,
        buffer: &[u8],
    ) -> impl Future<Output = io::Result<()>> + Send;

    /// Runs `future` as a task and blocks until it is ready.
    fn run<F>(&self, future: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.block_on(self.spawn_outside(future))
    }
}
