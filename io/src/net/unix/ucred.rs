//! The credentials of a peer.

/// The credentials of the process at the other end of a [`UnixStream`](super::UnixStream), as they
/// were when it connected or listened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UCred {
    pub(super) uid: libc::uid_t,
    pub(super) gid: libc::gid_t,
    pub(super) pid: Option<libc::pid_t>,
}

impl UCred {
    /// Returns the effective user.
    pub fn uid(&self) -> libc::uid_t {
        self.uid
    }

    /// Returns the effective group.
    pub fn gid(&self) -> libc::gid_t {
        self.gid
    }

    /// Returns the process, where the system tells it: on Linux and Android.
    pub fn pid(&self) -> Option<libc::pid_t> {
        self.pid
    }
}

/// Returns the credentials of the peer of `socket`.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn peer_cred(socket: &impl std::os::fd::AsRawFd) -> std::io::Result<UCred> {
    let mut credentials = libc::ucred {
        pid: 0,
        uid: 0,
        gid: 0,
    };
    let mut len = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: the value and its length are borrowed exclusively for the call and belong together;
    // the descriptor is open as long as the socket is borrowed.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut credentials).cast(),
            &mut len,
        )
    };
    if result < 0 {
        return Err(std::io::Error::last_os_error());
    }
    Ok(UCred {
        uid: credentials.uid,
        gid: credentials.gid,
        pid: Some(credentials.pid),
    })
}

/// Returns the credentials of the peer of `socket`.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn peer_cred(socket: &impl std::os::fd::AsRawFd) -> std::io::Result<UCred> {
    let (mut uid, mut gid) = (0, 0);
    // SAFETY: both values are borrowed exclusively for the call; the descriptor is open as long as
    // the socket is borrowed.
    let result = unsafe { libc::getpeereid(socket.as_raw_fd(), &mut uid, &mut gid) };
    if result < 0 {
        return Err(std::io::Error::last_os_error());
    }
    Ok(UCred {
        uid,
        gid,
        pid: None,
    })
}
