//! Unix sockets and pipes.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::future::{Future, poll_fn};
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};

use common::Reactor;
use framewise_context::ContextVar;
use framewise_io::Interest;
use framewise_io::net::unix::pipe;
use framewise_io::net::{UnixDatagram, UnixListener, UnixStream};
use framewise_test_support::{give_up, in_each_start_frame};

/// A path that does not exist yet, and that is removed at the end.
struct FreshPath(PathBuf);

impl FreshPath {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("framewise-unix-{}-{number}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl AsRef<std::path::Path> for FreshPath {
    fn as_ref(&self) -> &std::path::Path {
        &self.0
    }
}

impl Drop for FreshPath {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn a_connection_is_accepted_and_answered() {
    Reactor::new().run(async {
        let path = FreshPath::new();
        let listener = UnixListener::bind(&path).unwrap();
        let (client, server) = futures::join!(UnixStream::connect(&path), listener.accept());
        let (client, server) = (client.unwrap(), server.unwrap().0);
        assert_eq!(
            client.peer_addr().unwrap().as_pathname(),
            Some(path.as_ref())
        );
        assert!(server.peer_addr().unwrap().is_unnamed());
        client.write_all(b"hello").await.unwrap();
        let mut received = [0; 5];
        server.read_exact(&mut received).await.unwrap();
        let parts = [IoSlice::new(b"wor"), IoSlice::new(b"ld")];
        assert_eq!(server.write_vectored(&parts).await.unwrap(), 5);
        drop(server);
        let mut answer = [0; 8];
        assert_eq!(client.read(&mut answer).await.unwrap(), 5);
        assert_eq!(client.read(&mut answer).await.unwrap(), 0);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn abstract_addresses_have_no_path() {
    use std::os::linux::net::SocketAddrExt;

    Reactor::new().run(async {
        let name = format!("framewise-{}", std::process::id());
        let address = framewise_io::net::unix::SocketAddr::from_abstract_name(name).unwrap();
        let listener = UnixListener::bind_addr(&address).unwrap();
        let connect = UnixStream::connect_addr(&address);
        let (client, server) = futures::join!(connect, listener.accept());
        client.unwrap().write_all(b"x").await.unwrap();
        server.unwrap().0.read_exact(&mut [0; 1]).await.unwrap();
    });
}

#[test]
fn a_path_in_use_and_one_without_a_listener_are_errors() {
    Reactor::new().run(async {
        let path = FreshPath::new();
        let error = UnixStream::connect(&path).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let listener = UnixListener::bind(&path).unwrap();
        let error = UnixListener::bind(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        drop(listener);
        let error = UnixStream::connect(&path).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn the_peer_of_a_pair_is_this_process() {
    Reactor::new().run(async {
        let (one, _other) = UnixStream::pair().unwrap();
        let peer = one.peer_cred().unwrap();
        // SAFETY: the calls take nothing and cannot fail.
        let (uid, gid) = unsafe { (libc::geteuid(), libc::getegid()) };
        assert_eq!((peer.uid(), peer.gid()), (uid, gid));
        if cfg!(target_os = "linux") {
            let own = libc::pid_t::try_from(std::process::id()).unwrap();
            assert_eq!(peer.pid(), Some(own));
        }
    });
}

#[test]
fn halves_work_at_once_and_reunite() {
    Reactor::new().run(async {
        let (one, mut other) = UnixStream::pair().unwrap();
        {
            let (read, write) = UnixStream::split(&mut other);
            let mut buffer = [0; 3];
            let (received, sent) =
                futures::join!(read.read_exact(&mut buffer), one.write_all(b"abc"));
            received.unwrap();
            sent.unwrap();
            write.write_all(&buffer).await.unwrap();
        }
        let (read, write) = one.into_split();
        let mut buffer = [0; 3];
        read.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"abc");
        let (foreign, _) = UnixStream::pair().unwrap().0.into_split();
        let error = foreign.reunite(write).unwrap_err();
        let one = read.reunite(error.1).unwrap();
        let (_read, write) = one.into_split();
        drop(write);
        assert_eq!(other.read(&mut buffer).await.unwrap(), 0);
    });
}

#[test]
fn a_large_transfer_waits_for_a_slow_reader() {
    let reactor = Reactor::new();
    reactor.run(async {
        let (one, other) = UnixStream::pair().unwrap();
        let bytes: Vec<u8> = (0..2_000_000_u32).map(|n| n as u8).collect();
        let expected = bytes.clone();
        let reader = reactor.spawn(async move {
            let mut received = vec![0; expected.len()];
            other.read_exact(&mut received).await.unwrap();
            assert!(received == expected);
        });
        one.write_all(&bytes).await.unwrap();
        reader.join().unwrap();
    });
}

#[test]
fn datagrams_are_sent_by_path_and_between_a_pair() {
    Reactor::new().run(async {
        let (server_path, client_path) = (FreshPath::new(), FreshPath::new());
        let server = UnixDatagram::bind(&server_path).unwrap();
        let client = UnixDatagram::bind(&client_path).unwrap();
        client.send_to(b"ask", &server_path).await.unwrap();
        let mut buffer = [0; 16];
        let (count, sender) = server.recv_from(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..count], b"ask");
        let sender = sender.as_pathname().unwrap();
        server.try_send_to(b"answer", sender).unwrap();
        assert_eq!(client.recv(&mut buffer).await.unwrap(), 6);

        let (one, other) = UnixDatagram::pair().unwrap();
        let receive = poll_fn(|cx| other.poll_recv(cx, &mut buffer));
        let (received, sent) = futures::join!(receive, one.send(b"pair"));
        assert_eq!((received.unwrap(), sent.unwrap()), (4, 4));
        let unbound = UnixDatagram::unbound().unwrap();
        unbound.connect(&server_path).unwrap();
        unbound.send(b"no name").await.unwrap();
        let (_, sender) = server.recv_from(&mut buffer).await.unwrap();
        assert!(sender.is_unnamed());
    });
}

/// A datagram that finds the queue full waits for room.
#[test]
fn sending_to_a_full_queue_waits() {
    let reactor = Reactor::new();
    reactor.run(async {
        let (one, other) = UnixDatagram::pair().unwrap();
        while one.try_send(&[0; 1024]).is_ok() {}
        let reader = reactor.spawn(async move {
            let mut buffer = [0; 1024];
            let mut last = 0;
            while last != 7 {
                other.recv(&mut buffer).await.unwrap();
                last = buffer[0];
            }
        });
        one.send(&[7; 1024]).await.unwrap();
        reader.join().unwrap();
    });
}

#[test]
fn a_dropped_send_has_sent_nothing() {
    Reactor::new().run(async {
        let path = FreshPath::new();
        let (one, other) = (
            UnixDatagram::unbound().unwrap(),
            UnixDatagram::bind(&path).unwrap(),
        );
        one.connect(&path).unwrap();
        let mut queued = 0;
        while one.try_send(b"queued").is_ok() {
            queued += 1;
        }
        give_up(one.send(b"dropped"));
        give_up(one.send_to(b"dropped", &path));
        let mut buffer = [0; 16];
        for _ in 0..queued {
            other.recv(&mut buffer).await.unwrap();
            assert_eq!(&buffer[..6], b"queued");
        }
        one.send(b"last").await.unwrap();
        assert_eq!(other.recv(&mut buffer).await.unwrap(), 4);
    });
}

#[test]
fn a_dropped_receive_or_accept_has_taken_nothing() {
    Reactor::new().run(async {
        let (one, other) = UnixDatagram::pair().unwrap();
        let mut buffer = [0; 16];
        give_up(other.recv_from(&mut buffer));
        one.send(b"kept").await.unwrap();
        other.readable().await.unwrap();
        assert_eq!(other.recv_from(&mut buffer).await.unwrap().0, 4);

        let path = FreshPath::new();
        let listener = UnixListener::bind(&path).unwrap();
        give_up(listener.accept());
        let client = UnixStream::connect(&path).await.unwrap();
        listener.readable().await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        client.write_all(b"x").await.unwrap();
        server.read_exact(&mut [0; 1]).await.unwrap();
    });
}

/// Such a connect is complete at once; its future only waits for the event that says so.
#[test]
fn a_dropped_connect_closes_its_socket() {
    Reactor::new().run(async {
        let path = FreshPath::new();
        let listener = UnixListener::bind(&path).unwrap();
        let address = listener.local_addr().unwrap();
        let mut cx = Context::from_waker(Waker::noop());
        // The driver's event may arrive before the poll. That connection is dropped, too.
        let _ = pin!(UnixStream::connect(&path)).poll(&mut cx);
        let _ = pin!(UnixStream::connect_addr(&address)).poll(&mut cx);
        for _ in 0..2 {
            let (stream, _) = listener.accept().await.unwrap();
            assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
        }
    });
}

#[test]
fn a_pipe_ends_when_its_sender_is_dropped() {
    Reactor::new().run(async {
        let (sender, receiver) = pipe::pipe().unwrap();
        let mut buffer = [0; 16];
        let (count, sent) = futures::join!(receiver.read(&mut buffer), sender.write(b"through"));
        assert_eq!((count.unwrap(), sent.unwrap()), (7, 7));
        let parts = [IoSlice::new(b"a"), IoSlice::new(b"b")];
        assert_eq!(sender.write_vectored(&parts).await.unwrap(), 2);
        drop(sender);
        assert_eq!(receiver.read(&mut buffer).await.unwrap(), 2);
        assert_eq!(receiver.read(&mut buffer).await.unwrap(), 0);
        let (sender, receiver) = pipe::pipe().unwrap();
        drop(receiver);
        let error = sender.write(b"x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    });
}

/// An end has one direction, so `try_io` needs no interest.
#[test]
fn an_end_of_a_pipe_tries_an_operation_in_its_direction() {
    Reactor::new().run(async {
        let (sender, receiver) = pipe::pipe().unwrap();
        let nothing = receiver.try_io(|| -> std::io::Result<()> { panic!("it is not readable") });
        assert_eq!(nothing.unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(sender.try_io(|| Ok(7)).unwrap(), 7);
        sender.write_all(b"x").await.unwrap();
        receiver.readable().await.unwrap();
        assert_eq!(receiver.try_io(|| Ok(8)).unwrap(), 8);
    });
}

#[test]
fn a_pipe_with_a_path_is_opened_from_both_ends() {
    Reactor::new().run(async {
        let path = FreshPath::new();
        let name = std::ffi::CString::new(path.0.to_str().unwrap()).unwrap();
        // SAFETY: the name is a string of C that lives during the call.
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
        let options = pipe::OpenOptions::new();
        let error = options.open_sender(&path).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENXIO));
        let receiver = options.open_receiver(&path).unwrap();
        let sender = options.open_sender(&path).unwrap();
        sender.write_all(b"fifo").await.unwrap();
        receiver.read_exact(&mut [0; 4]).await.unwrap();

        let plain = FreshPath::new();
        std::fs::write(&plain, b"").unwrap();
        let error = options.open_receiver(&plain).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn descriptors_become_ends_of_pipes_and_back() {
    Reactor::new().run(async {
        let (mut read, write) = std::io::pipe().unwrap();
        let error = pipe::Receiver::from_owned_fd(write.try_clone().unwrap().into()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let sender = pipe::Sender::from_owned_fd(write.into()).unwrap();
        sender.write_all(b"std").await.unwrap();
        read.read_exact(&mut [0; 3]).unwrap();
        let mut blocking = std::fs::File::from(sender.into_blocking_fd().unwrap());
        blocking.write_all(b"!").unwrap();
        let receiver = pipe::Receiver::from_owned_fd(OwnedFd::from(read)).unwrap();
        receiver.read_exact(&mut [0; 1]).await.unwrap();
    });
}

#[cfg(feature = "tokio")]
#[test]
fn streams_halves_and_pipes_have_the_io_traits() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    Reactor::new().run(async {
        let (one, mut other) = UnixStream::pair().unwrap();
        let (_read, mut write) = one.into_split();
        write.write_all(b"traits").await.unwrap();
        write.shutdown().await.unwrap();
        let mut received = Vec::new();
        other.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, b"traits");
        let (mut sender, mut receiver) = pipe::pipe().unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut sender, b"pipe")
            .await
            .unwrap();
        drop(sender);
        received.clear();
        receiver.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, b"pipe");
    });
}

#[test]
fn c59_a_callback_of_a_unix_socket_runs_in_the_registering_frame() {
    static REQUEST: ContextVar<u64> = ContextVar::new("request");
    in_each_start_frame(|| {
        let reactor = Reactor::new();
        reactor.run(REQUEST.scope(7, async {
            let (one, other) = UnixStream::pair().unwrap();
            let (sender, seen) = std::sync::mpsc::channel();
            let callback = REQUEST.run(8, || {
                other.on_ready(Interest::READABLE, move |_| {
                    let _ = sender.send(REQUEST.get());
                })
            });
            one.write(b"x").await.unwrap();
            assert_eq!(seen.recv().unwrap(), Some(8));
            other.read(&mut [0; 1]).await.unwrap();
            assert_eq!(REQUEST.get(), Some(7));
            callback.unwrap().cancel();
        }));
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_path_that_begins_with_zero_is_an_abstract_name() {
    use std::os::linux::net::SocketAddrExt;

    Reactor::new().run(async {
        let name = format!("framewise-io-{}", std::process::id());
        let listener = UnixListener::bind(format!("\0{name}")).unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(address.as_abstract_name(), Some(name.as_bytes()));
        UnixStream::connect(format!("\0{name}")).await.unwrap();
    });
}
