//! smol: async-executor's executor on threads that drive async-io.
//!
//! The crate `smol` re-exports the same parts; here the number of threads is ours. There is no
//! thread-local executor, so tasks carry a reference. There is no context either, so keys are
//! carried by tokio's `task_local!`, which works on any executor.
//!
//! [`Smol`] uses async-executor's `StaticExecutor`, the fastest one. It keeps no list of its tasks,
//! so it cannot drop them. [`SmolExecutor`] uses `Executor`, which drops its tasks.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use async_executor::{Executor, StaticExecutor};
use async_io::{Async, Timer};
use futures_lite::{AsyncReadExt, AsyncWriteExt};

use crate::BenchRuntime;
use crate::carrier::{TaskLocal1, TaskLocal4, TaskLocal16};

/// The threads that run an executor. Dropping this value stops and joins them.
struct Threads {
    stop: async_channel::Sender<()>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Threads {
    /// Starts `workers` threads. Each blocks on the future that `run` makes of the stop signal;
    /// that future is ready when the signal's channel is closed.
    fn start<R, F>(workers: usize, run: R) -> Self
    where
        R: Fn(async_channel::Receiver<()>) -> F + Clone + Send + 'static,
        F: Future<Output = ()>,
    {
        let (stop, stopped) = async_channel::bounded(1);
        let threads = (0..workers).map(|_| {
            let (run, stopped) = (run.clone(), stopped.clone());
            thread::spawn(move || async_io::block_on(run(stopped)))
        });
        Self {
            stop,
            threads: threads.collect(),
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.stop.close();
        for thread in self.threads.drain(..) {
            // The panic hook has already printed a panic of the thread.
            let _ = thread.join();
        }
    }
}

macro_rules! smol {
    ($(#[$doc:meta])* $runtime:ident, $name:literal, $executor:ty) => {
        $(#[$doc])*
        pub struct $runtime {
            /// Leaked, because tasks refer to it.
            executor: &'static $executor,
            _threads: Threads,
        }

        impl BenchRuntime for $runtime {
            const NAME: &'static str = $name;
            type Handle = &'static $executor;
            type Join<T: Send + 'static> = async_executor::Task<T>;
            type K1 = TaskLocal1;
            type K4 = TaskLocal4;
            type K16 = TaskLocal16;
            type Listener = Async<TcpListener>;
            type Stream = Async<TcpStream>;

            fn start(workers: usize) -> Self {
                let executor: &'static $executor = Box::leak(Box::new(<$executor>::new()));
                let threads = Threads::start(workers, move |stopped| async move {
                    // The channel is only ever closed.
                    let _ = executor.run(stopped.recv()).await;
                });
                Self {
                    executor,
                    _threads: threads,
                }
            }

            fn handle(&self) -> Self::Handle {
                self.executor
            }

            fn spawn_outside<F>(&self, future: F) -> Self::Join<F::Output>
            where
                F: Future + Send + 'static,
                F::Output: Send + 'static,
            {
                self.executor.spawn(future)
            }

            fn block_on<F: Future>(&self, future: F) -> F::Output {
                // Not async-io's `block_on`, because it would drive the reactor on this thread,
                // too.
                futures_lite::future::block_on(future)
            }

            #[inline]
            fn spawn<F>(executor: Self::Handle, future: F) -> Self::Join<F::Output>
            where
                F: Future + Send + 'static,
                F::Output: Send + 'static,
            {
                executor.spawn(future)
            }

            #[inline]
            fn detach<F>(executor: Self::Handle, future: F)
            where
                F: Future<Output = ()> + Send + 'static,
            {
                executor.spawn(future).detach();
            }

            #[inline]
            fn yield_now() -> impl Future<Output = ()> + Send {
                futures_lite::future::yield_now()
            }

            #[inline]
            fn sleep(duration: Duration) -> impl Future<Output = ()> + Send + 'static {
                let timer = Timer::after(duration);
                async move {
                    timer.await;
                }
            }

            fn listen() -> io::Result<(Self::Listener, SocketAddr)> {
                let socket = Async::<TcpListener>::bind((Ipv4Addr::LOCALHOST, 0))?;
                let address = socket.get_ref().local_addr()?;
                Ok((socket, address))
            }

            async fn accept(listener: &Self::Listener) -> io::Result<Self::Stream> {
                let (stream, _) = listener.accept().await?;
                stream.get_ref().set_nodelay(true)?;
                Ok(stream)
            }

            #[inline]
            async fn read(stream: &mut Self::Stream, buffer: &mut [u8]) -> io::Result<usize> {
                stream.read(buffer).await
            }

            #[inline]
            async fn write_all(stream: &mut Self::Stream, buffer: &[u8]) -> io::Result<()> {
                stream.write_all(buffer).await
            }
        }
    };
}

smol!(
    /// smol on the static executor, which is never dropped.
    Smol,
    "smol",
    StaticExecutor
);
smol!(
    /// smol on the executor that keeps a list of its tasks.
    SmolExecutor,
    "smol-executor",
    Executor<'static>
);
