//! The measured runtimes, which implement [`BenchRuntime`](crate::BenchRuntime).

use std::fmt::Debug;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::pin::Pin;
use std::task::{Context, Poll};

mod framewise;
mod smol;
mod tokio;

pub use framewise::{Framewise, FramewiseAccount};
pub use smol::{Smol, SmolExecutor};
pub use tokio::Tokio;

/// The join handle of a task that neither panics nor is aborted.
pub struct Joined<H>(H);

impl<H, T, E> Future for Joined<H>
where
    H: Future<Output = Result<T, E>> + Unpin,
    E: Debug,
{
    type Output = T;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        Pin::new(&mut self.0)
            .poll(cx)
            .map(|output| output.expect("the task neither panics nor is aborted"))
    }
}

/// Returns a listening socket for an event queue, and its address.
fn bound() -> io::Result<(TcpListener, SocketAddr)> {
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_nonblocking(true)?;
    let address = socket.local_addr()?;
    Ok((socket, address))
}
