//! TCP sockets and name look-ups.
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

mod addr;
mod half;
mod listener;
pub(crate) mod lookup;
#[cfg(unix)]
mod options;
mod send;
mod split;
mod split_owned;
mod stream;
#[cfg(any(feature = "futures-io", feature = "tokio", feature = "hyper"))]
mod stream_poll;

pub use addr::{ToSocketAddrs, lookup_host};
pub use listener::TcpListener;
pub use split::{ReadHalf, WriteHalf};
pub use split_owned::{OwnedReadHalf, OwnedWriteHalf, ReuniteError};
pub use stream::TcpStream;
