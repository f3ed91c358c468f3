//! framewise, used as its documentation recommends.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use framewise::net::{TcpListener, TcpStream};
use framewise::runtime::{Builder, Runtime};
use framewise::{ContextVar, account};

use super::{Joined, bound};
use crate::BenchRuntime;
use crate::carrier::{Frame1, Frame4, Frame16};

/// The framewise runtime; with accounting if `ACCOUNTS`.
pub struct Framewise<const ACCOUNTS: bool = false>(Runtime);

/// The framewise runtime with accounting by a tenant.
pub type FramewiseAccount = Framewise<true>;

/// By what the runtime accounts. The workloads do not bind it.
static TENANT: ContextVar<u64> = ContextVar::new("tenant");

impl<const ACCOUNTS: bool> BenchRuntime for Framewise<ACCOUNTS> {
    const NAME: &'static str = if ACCOUNTS {
        "framewise-account"
    } else {
        "framewise"
    };
    type Handle = ();
    type Join<T: Send + 'static> = Joined<framewise::JoinHandle<T>>;
    type K1 = Frame1;
    type K4 = Frame4;
    type K16 = Frame16;
    type Listener = TcpListener;
    type Stream = TcpStream;

    fn start(workers: usize) -> Self {
        let mut builder = Builder::new().worker_threads(workers);
        if ACCOUNTS {
            builder = builder.account(&account::by(&TENANT));
        }
        let runtime = builder.build();
        Self(runtime.expect("the system gives threads and an event queue"))
    }

    fn handle(&self) {}

    fn spawn_outside<F>(&self, future: F) -> Self::Join<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Joined(self.0.spawn(future))
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.0.block_on(future)
    }

    #[inline]
    fn spawn<F>((): (), future: F) -> Self::Join<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Joined(framewise::spawn(future))
    }

    #[inline]
    fn detach<F>((): (), future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        drop(framewise::spawn(future));
    }

    #[inline]
    fn yield_now() -> impl Future<Output = ()> + Send {
        framewise::task::yield_now()
    }

    #[inline]
    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        framewise::time::sleep(duration)
    }

    fn listen() -> io::Result<(TcpListener, SocketAddr)> {
        let (socket, address) = bound()?;
        Ok((TcpListener::from_std(socket)?, address))
    }

    async fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    #[inline]
    async fn read(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
        stream.read(buffer).await
    }

    #[inline]
    async fn write_all(stream: &mut TcpStream, buffer: &[u8]) -> io::Result<()> {
        stream.write_all(buffer).await
    }
}
