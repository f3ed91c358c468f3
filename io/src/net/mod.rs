//! Sockets and name look-ups.
//!
//! The types and methods have tokio's names if they mean the same. Reading and writing take
//! `&self`, so a stream can be read and written at once without being split. The streams also
//! implement the I/O traits of futures-io, tokio and hyper, behind features. `stream.read(&mut
//! buffer)` is never ambiguous: Rust prefers an inherent method to one of an extension trait that
//! borrows the stream, too.
//!
//! # Frame
//!
//! A socket has no frame. An operation on it runs in the frame of the task that awaits it, so the
//! second request on a pooled connection has the frame of the second request. Only a readiness
//! callback keeps the frame in which it was registered.
//!
//! # Deadlines and cancellation
//!
//! Every operation that waits obeys the frame in which it is polled: `async` methods, poll
//! functions and the I/O traits, `connect`, `accept`, `bind` and look-ups. When the frame's
//! deadline passes, they fail with [`TimedOut`](std::io::ErrorKind::TimedOut), and when it is
//! canceled, with an error of the kind [`Other`](std::io::ErrorKind::Other). One that begins later
//! fails at once, also if it could be done without waiting. An operation that failed has done
//! nothing: no byte was read or written, no connection accepted. Methods of several steps
//! (`read_exact`, `write_all`) have done those before. The socket is as usable as before, for
//! another request or for code in a shield. Connecting ends all attempts and closes their sockets.
//! A look-up that the blocking pool has begun goes on there for no task.
//!
//! What does not wait does not fail: the `try_` functions, flushing and shutting down, options.
//! Readiness callbacks are called until they are canceled.

mod addr;
#[cfg(feature = "bytes")]
mod buf;
pub(crate) mod connect;
mod datagram;
mod datagram_buffer;
mod listener;
pub(crate) mod lookup;
mod methods;
mod options;
pub(crate) mod split;
mod split_owned;
mod stream;
pub(crate) mod stream_io;
#[cfg(any(feature = "futures-io", feature = "tokio", feature = "hyper"))]
mod stream_poll;
mod tcp_socket;
mod udp;
#[cfg(unix)]
pub mod unix;

pub use addr::{ToSocketAddrs, lookup_host};
pub use datagram_buffer::DatagramBuffer;
pub use listener::TcpListener;
pub use split::{ReadHalf, SplitStream, WriteHalf};
pub use split_owned::{OwnedReadHalf, OwnedWriteHalf, ReuniteError};
pub use stream::TcpStream;
pub use tcp_socket::TcpSocket;
pub use udp::UdpSocket;
#[cfg(unix)]
pub use unix::{UnixDatagram, UnixListener, UnixSocket, UnixStream};
