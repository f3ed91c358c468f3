//! `UnixSocket`: before it connects or listens; and addresses of halves.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io::ErrorKind;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd};
use std::path::PathBuf;

use common::Reactor;
use framewise_io::net::unix::pipe;
use framewise_io::net::{
    TcpListener, TcpStream, UnixDatagram, UnixListener, UnixSocket, UnixStream,
};

/// A directory for sockets, which is removed at the end.
struct Sockets(PathBuf);

impl Sockets {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("framewise-{name}-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Sockets {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_stream_connects_from_a_path_of_its_own_to_a_listener() {
    Reactor::new().run(async {
        let sockets = Sockets::new("stream");
        let (server, client) = (sockets.path("server"), sockets.path("client"));
        let socket = UnixSocket::new_stream().unwrap();
        socket.bind(&server).unwrap();
        let listener: UnixListener = socket.listen(4).unwrap();
        let socket = UnixSocket::new_stream().unwrap();
        socket.bind(&client).unwrap();
        let (connected, accepted) = futures::join!(socket.connect(&server), listener.accept());
        let (connected, (accepted, peer)) = (connected.unwrap(), accepted.unwrap());
        assert_eq!(peer.as_pathname(), Some(client.as_path()));
        connected.write_all(b"hello").await.unwrap();
        let mut received = [0; 5];
        accepted.read_exact(&mut received).await.unwrap();
        assert_eq!(received, *b"hello");
        let refused = UnixSocket::new_stream()
            .unwrap()
            .connect(sockets.path("none"))
            .await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::NotFound);
    });
}

#[test]
fn a_socket_of_datagrams_sends_and_does_not_listen() {
    Reactor::new().run(async {
        let sockets = Sockets::new("datagram");
        let path = sockets.path("one");
        let socket = UnixSocket::new_datagram().unwrap();
        socket.bind(&path).unwrap();
        let one: UnixDatagram = socket.datagram().unwrap();
        let other = UnixDatagram::unbound().unwrap();
        other.send_to(b"hello", &path).await.unwrap();
        assert_eq!(one.recv(&mut [0; 8]).await.unwrap(), 5);

        let datagrams = || UnixSocket::new_datagram().unwrap();
        assert_eq!(
            datagrams().listen(1).unwrap_err().kind(),
            ErrorKind::InvalidInput
        );
        let connected = datagrams().connect(&path).await;
        assert_eq!(connected.unwrap_err().kind(), ErrorKind::InvalidInput);
        let stream = UnixSocket::new_stream().unwrap();
        assert_eq!(
            stream.datagram().unwrap_err().kind(),
            ErrorKind::InvalidInput
        );
    });
}

#[test]
fn a_dropped_connect_closes_its_socket() {
    Reactor::new().run(async {
        let sockets = Sockets::new("dropped");
        let path = sockets.path("server");
        let listener = UnixListener::bind(&path).unwrap();
        drop(UnixSocket::new_stream().unwrap().connect(&path));
        let accepted = listener.try_accept();
        assert_eq!(accepted.unwrap_err().kind(), ErrorKind::WouldBlock);
        let mut connecting = Box::pin(UnixSocket::new_stream().unwrap().connect(&path));
        let _ = futures::poll!(&mut connecting);
        drop(connecting);
        let (accepted, _) = listener.accept().await.unwrap();
        assert_eq!(accepted.read(&mut [0; 8]).await.unwrap(), 0);
    });
}

#[test]
fn a_descriptor_keeps_its_kind() {
    let socket = UnixSocket::new_datagram().unwrap();
    assert_eq!(socket.as_fd().as_raw_fd(), socket.as_raw_fd());
    // SAFETY: the descriptor is the socket's, which gave it up.
    let socket = unsafe { UnixSocket::from_raw_fd(socket.into_raw_fd()) };
    assert!(socket.listen(1).is_err());
    Reactor::new().run(async {
        let socket = UnixSocket::new_stream().unwrap();
        // SAFETY: see above.
        let socket = unsafe { UnixSocket::from_raw_fd(socket.into_raw_fd()) };
        assert!(socket.datagram().is_err());
    });
}

#[test]
fn halves_have_the_addresses_of_their_stream() {
    Reactor::new().run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        let local = AsRef::<TcpStream>::as_ref(&stream).local_addr().unwrap();
        let (reading, writing) = stream.split();
        assert_eq!(reading.peer_addr().unwrap(), address);
        assert_eq!(writing.local_addr().unwrap(), local);
        let (reading, writing) = stream.into_split();
        assert_eq!(reading.local_addr().unwrap(), local);
        assert_eq!(writing.peer_addr().unwrap(), address);
        let (mut one, _other) = UnixStream::pair().unwrap();
        assert!(
            AsRef::<UnixStream>::as_ref(&one)
                .local_addr()
                .unwrap()
                .is_unnamed()
        );
        let (reading, _) = one.split();
        assert!(reading.peer_addr().unwrap().is_unnamed());
        let (_, writing) = one.into_split();
        assert!(writing.local_addr().unwrap().is_unnamed());
    });
}

#[test]
fn an_end_of_a_pipe_can_be_made_of_a_descriptor_without_a_check() {
    Reactor::new().run(async {
        let (sender, receiver) = pipe::pipe().unwrap();
        let sender = sender.into_nonblocking_fd().unwrap();
        let receiver = receiver.into_nonblocking_fd().unwrap();
        let sender = pipe::Sender::from_owned_fd_unchecked(sender).unwrap();
        let receiver = pipe::Receiver::from_file_unchecked(receiver.into()).unwrap();
        sender.write_all(b"hello").await.unwrap();
        let mut received = [0; 5];
        receiver.read_exact(&mut received).await.unwrap();
        assert_eq!(received, *b"hello");
    });
}
