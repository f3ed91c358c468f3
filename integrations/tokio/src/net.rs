//! TCP, UDP, Unix sockets, pipes and name look-up: framewise's.

pub use framewise::net::ToSocketAddrs;
#[cfg(feature = "net")]
pub use framewise::net::{TcpListener, TcpSocket, TcpStream, UdpSocket, lookup_host};
#[cfg(all(unix, feature = "net"))]
pub use framewise::net::{UnixDatagram, UnixListener, UnixSocket, UnixStream};

/// The halves of a [`TcpStream`].
#[cfg(feature = "net")]
pub mod tcp {
    use framewise::net::{self, TcpStream};

    /// The reading half of a borrowed stream; made by [`TcpStream::split`].
    pub type ReadHalf<'a> = net::ReadHalf<'a, TcpStream>;
    /// The writing half of a borrowed stream; made by [`TcpStream::split`].
    pub type WriteHalf<'a> = net::WriteHalf<'a, TcpStream>;
    /// The reading half of a stream; made by [`TcpStream::into_split`].
    pub type OwnedReadHalf = net::OwnedReadHalf<TcpStream>;
    /// The writing half of a stream; made by [`TcpStream::into_split`].
    pub type OwnedWriteHalf = net::OwnedWriteHalf<TcpStream>;
    /// The error of [`OwnedReadHalf::reunite`]: the halves are of two streams.
    pub type ReuniteError = net::ReuniteError<TcpStream>;
}

/// Types of Unix sockets and pipes.
#[cfg(all(unix, feature = "net"))]
pub mod unix {
    use framewise::net::{self, UnixStream};

    pub use framewise::net::unix::{SocketAddr, UCred, pipe};

    /// The reading half of a borrowed stream; made by [`UnixStream::split`].
    pub type ReadHalf<'a> = net::ReadHalf<'a, UnixStream>;
    /// The writing half of a borrowed stream; made by [`UnixStream::split`].
    pub type WriteHalf<'a> = net::WriteHalf<'a, UnixStream>;
    /// The reading half of a stream; made by [`UnixStream::into_split`].
    pub type OwnedReadHalf = net::OwnedReadHalf<UnixStream>;
    /// The writing half of a stream; made by [`UnixStream::into_split`].
    pub type OwnedWriteHalf = net::OwnedWriteHalf<UnixStream>;
    /// The error of [`OwnedReadHalf::reunite`]: the halves are of two streams.
    pub type ReuniteError = net::ReuniteError<UnixStream>;

    /// A user's number.
    #[expect(non_camel_case_types, reason = "libc's name, and tokio's")]
    pub type uid_t = u32;
    /// A group's number.
    #[expect(non_camel_case_types, reason = "libc's name, and tokio's")]
    pub type gid_t = u32;
    /// A process's number.
    #[expect(non_camel_case_types, reason = "libc's name, and tokio's")]
    pub type pid_t = i32;
}
