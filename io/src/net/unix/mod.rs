//! Unix sockets and pipes.

pub(crate) mod child;
mod datagram;
mod listener;
pub mod pipe;
mod socket;
mod stream;
mod ucred;

/// The address of a Unix socket: `std`'s.
pub use std::os::unix::net::SocketAddr;

pub use datagram::UnixDatagram;
pub use listener::UnixListener;
pub use socket::UnixSocket;
pub use stream::UnixStream;
pub use ucred::UCred;
