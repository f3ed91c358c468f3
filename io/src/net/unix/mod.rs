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

/// Returns the address with that path. On Linux a path that begins with a zero byte is a name in
/// the abstract namespace.
fn address_of(path: &std::path::Path) -> std::io::Result<SocketAddr> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        #[cfg(target_os = "android")]
        use std::os::android::net::SocketAddrExt;
        #[cfg(target_os = "linux")]
        use std::os::linux::net::SocketAddrExt;
        use std::os::unix::ffi::OsStrExt;

        if let Some((0, name)) = path.as_os_str().as_bytes().split_first() {
            return SocketAddr::from_abstract_name(name);
        }
    }
    SocketAddr::from_pathname(path)
}
