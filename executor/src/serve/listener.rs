//! What a server accepts connections from.

use std::fmt::Debug;
use std::future::Future;
use std::io;

use hyper::rt::{Read, Write};

use crate::net::TcpListener;
use crate::net::TcpStream;
#[cfg(unix)]
use crate::net::UnixListener;
#[cfg(unix)]
use crate::net::UnixStream;

/// Something that accepts connections, for [`serve`](super::serve).
///
/// `TcpListener` (which sets `TCP_NODELAY`) and `UnixListener` are such; implement it for others,
/// such as a pipe between the ends of a test.
///
/// # Examples
///
/// A listener that takes connections from a channel:
///
/// ```
/// use framewise::{net::UnixStream, serve::Listener};
/// use std::io;
///
/// struct Handed(async_channel::Receiver<UnixStream>);
///
/// impl Listener for Handed {
///     type Io = UnixStream;
///     type Addr = &'static str;
///
///     async fn accept(&mut self) -> io::Result<(UnixStream, &'static str)> {
///         // Without a sender the server ends.
///         let stream = self.0.recv().await.map_err(io::Error::other)?;
///         Ok((stream, "handed over"))
///     }
///
///     fn local_addr(&self) -> io::Result<&'static str> {
///         Ok("a channel")
///     }
/// }
/// ```
pub trait Listener: Send + 'static {
    /// A connection.
    type Io: Read + Write + Unpin + Send + 'static;

    /// The address of a peer, which reports show.
    type Addr: Debug + Send + 'static;

    /// Waits for a connection and accepts it. Must lose none if the future is dropped.
    ///
    /// # Errors
    ///
    /// After an error of the operating system the server pauses and tries again, except after
    /// `EINVAL`. Every other error ends the server.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Io, Self::Addr)>> + Send;

    /// Returns the address of the listener itself.
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    fn local_addr(&self) -> io::Result<Self::Addr>;
}

impl Listener for TcpListener {
    type Io = TcpStream;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> io::Result<(TcpStream, Self::Addr)> {
        let (stream, peer) = TcpListener::accept(self).await?;
        // An error costs some delay, nothing else.
        let _ = stream.set_nodelay(true);
        Ok((stream, peer))
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        TcpListener::local_addr(self)
    }
}

#[cfg(unix)]
impl Listener for UnixListener {
    type Io = UnixStream;
    type Addr = crate::net::unix::SocketAddr;

    async fn accept(&mut self) -> io::Result<(UnixStream, Self::Addr)> {
        UnixListener::accept(self).await
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        UnixListener::local_addr(self)
    }
}
