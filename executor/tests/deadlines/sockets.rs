//! The rows of sockets, pipes and descriptors.

use std::future::poll_fn;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::TcpStream as StdTcpStream;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::pin::Pin;
use std::task::ready;

use framewise::io::Interest;
use framewise::io::unix::AsyncFd;
use framewise::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream};

use crate::obeys::Row;
use crate::{HOUR, paused};

/// Checks rows on one source that waits for the same thing.
macro_rules! rows {
    ($($name:literal: $wait:expr, $allow:expr;)+) => {$(
        Row { name: $name, wait: $wait, allow: $allow, limit: HOUR }.check().await;
    )+};
}

fn done<T>(_: T) {}

/// A stream, and its peer in blocking mode.
async fn tcp_pair() -> (TcpStream, StdTcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = StdTcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    // It is taken to be readable until a read finds nothing.
    stream.try_read(&mut [0]).unwrap_err();
    (stream, peer)
}

#[test]
fn c99_reads_of_a_stream() {
    paused().block_on(async {
        // A byte that is left makes the next row's source ready, so each has its own.
        macro_rules! reads {
            ($($name:literal: |$stream:ident| $wait:expr;)+) => {$({
                let (mut $stream, mut peer) = tcp_pair().await;
                let _ = &mut $stream;
                let $stream = &$stream;
                rows! { $name: async || $wait, async || peer.write_all(b"x").unwrap(); }
            })+};
        }
        reads! {
            "TcpStream::read": |stream| stream.read(&mut [0]).await.map(done);
            "TcpStream::read_vectored": |stream| {
                stream.read_vectored(&mut [IoSliceMut::new(&mut [0])]).await.map(done)
            };
            "TcpStream::read_exact": |stream| stream.read_exact(&mut [0]).await.map(done);
            "TcpStream::read_buf": |stream| stream.read_buf(&mut Vec::new()).await.map(done);
            "TcpStream::peek": |stream| stream.peek(&mut [0]).await.map(done);
            "TcpStream::readable": |stream| stream.readable().await;
            "TcpStream::ready": |stream| stream.ready(Interest::READABLE).await.map(done);
            "TcpStream::async_io": |stream| {
                stream.async_io(Interest::READABLE, || stream.try_peek(&mut [0])).await.map(done)
            };
            "TcpStream::poll_read_ready": |stream| poll_fn(|cx| stream.poll_read_ready(cx)).await;
            "TcpStream::poll_peek": |stream| {
                poll_fn(|cx| stream.poll_peek(cx, &mut [0])).await.map(done)
            };
            "tokio::io::AsyncRead": |stream| {
                tokio::io::AsyncReadExt::read(&mut &*stream, &mut [0]).await.map(done)
            };
            "futures::io::AsyncRead": |stream| {
                futures::AsyncReadExt::read(&mut &*stream, &mut [0]).await.map(done)
            };
        }
    });
}

#[test]
fn c99_reads_by_hyper_and_of_halves() {
    paused().block_on(async {
        let (stream, mut peer) = tcp_pair().await;
        let stream = std::cell::RefCell::new(stream);
        let read = async || {
            poll_fn(|cx| {
                let mut memory = [0];
                let mut buffer = hyper::rt::ReadBuf::new(&mut memory);
                let mut stream = stream.borrow_mut();
                hyper::rt::Read::poll_read(Pin::new(&mut *stream), cx, buffer.unfilled())
            })
            .await
        };
        rows! { "hyper::rt::Read": read, async || peer.write_all(b"x").unwrap(); }

        let (mut stream, mut peer) = tcp_pair().await;
        let (half, _) = TcpStream::split(&mut stream);
        rows! {
            "ReadHalf::read": async || half.read(&mut [0]).await.map(done),
            async || peer.write_all(b"x").unwrap();
        }
        let (half, _writes) = stream.into_split();
        rows! {
            "OwnedReadHalf::read": async || half.read(&mut [0]).await.map(done),
            async || peer.write_all(b"x").unwrap();
        }
    });
}

/// Fills what the system keeps for a peer that does not read.
fn fill(mut write: impl FnMut(&[u8]) -> io::Result<usize>) {
    let bytes = [0; 64 * 1024];
    while write(&bytes).is_ok() {}
}

#[test]
fn c99_writes_of_a_stream() {
    paused().block_on(async {
        macro_rules! writes {
            ($($name:literal: |$stream:ident| $wait:expr;)+) => {$({
                let ($stream, mut peer) = tcp_pair().await;
                let $stream = &$stream;
                peer.set_nonblocking(true).unwrap();
                $stream.writable().await.unwrap();
                fill(|bytes| $stream.try_write(bytes));
                let allow = async || {
                    // What is read makes room, of which the driver hears after a while.
                    let mut bytes = vec![0; 1 << 20];
                    while !is_ready($stream).await {
                        drop(peer.read(&mut bytes));
                    }
                };
                rows! { $name: async || $wait, allow; }
            })+};
        }
        /// Returns `true` if the stream can be written now.
        async fn is_ready(stream: &TcpStream) -> bool {
            framewise::task::yield_now().await;
            poll_fn(|cx| std::task::Poll::Ready(stream.poll_write_ready(cx).is_ready())).await
        }
        writes! {
            "TcpStream::write": |stream| stream.write(b"x").await.map(done);
            "TcpStream::write_vectored": |stream| {
                stream.write_vectored(&[IoSlice::new(b"x")]).await.map(done)
            };
            "TcpStream::write_all": |stream| stream.write_all(b"x").await;
            "TcpStream::writable": |stream| stream.writable().await;
            "TcpStream::poll_write_ready": |stream| poll_fn(|cx| stream.poll_write_ready(cx)).await;
            "tokio::io::AsyncWrite": |stream| {
                tokio::io::AsyncWriteExt::write(&mut &*stream, b"x").await.map(done)
            };
            "futures::io::AsyncWrite": |stream| {
                futures::AsyncWriteExt::write(&mut &*stream, b"x").await.map(done)
            };
        }
    });
}

#[test]
fn c99_accepts() {
    let directory = std::env::temp_dir().join(format!("framewise-obeys-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("socket");
    paused().block_on(async {
        macro_rules! accepts {
            ($($name:literal: |$tcp:ident| $wait:expr;)+) => {$({
                let $tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let address = $tcp.local_addr().unwrap();
                let connect = async || done(StdTcpStream::connect(address).unwrap());
                rows! { $name: async || $wait, connect; }
            })+};
        }
        accepts! {
            "TcpListener::readable": |tcp| tcp.readable().await;
            "TcpListener::accept": |tcp| tcp.accept().await.map(done);
            "TcpListener::poll_accept": |tcp| poll_fn(|cx| tcp.poll_accept(cx)).await.map(done);
        }
        let unix = UnixListener::bind(&path).unwrap();
        rows! {
            "UnixListener::accept": async || unix.accept().await.map(done),
            async || drop(StdUnixStream::connect(&path).unwrap());
        }
    });
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
fn c99_unix_streams_datagrams_and_pipes() {
    paused().block_on(async {
        let (stream, peer) = UnixStream::pair().unwrap();
        rows! {
            "UnixStream::read": async || stream.read(&mut [0]).await.map(done),
            async || peer.write_all(b"x").await.unwrap();
        }
        let (socket, peer) = UnixDatagram::pair().unwrap();
        rows! {
            "UnixDatagram::recv": async || socket.recv(&mut [0]).await.map(done),
            async || peer.send(b"x").await.map(done).unwrap();
            "UnixDatagram::recv_from": async || socket.recv_from(&mut [0]).await.map(done),
            async || peer.send(b"x").await.map(done).unwrap();
        }
        socket.writable().await.unwrap();
        while socket.try_send(b"x").is_ok() {}
        rows! {
            "UnixDatagram::send": async || socket.send(b"x").await.map(done),
            async || {
                peer.readable().await.unwrap();
                while peer.try_recv(&mut [0]).is_ok() {}
            };
        }
        let (sender, receiver) = framewise::net::unix::pipe::pipe().unwrap();
        rows! {
            "pipe::Receiver::read": async || receiver.read(&mut [0]).await.map(done),
            async || sender.write_all(b"x").await.unwrap();
        }
        sender.writable().await.unwrap();
        fill(|bytes| sender.try_write(bytes));
        rows! {
            "pipe::Sender::write": async || sender.write(b"x").await.map(done),
            async || done(receiver.read_exact(&mut [0; 8192]).await.unwrap());
        }
    });
}

#[test]
fn c99_udp() {
    paused().block_on(async {
        macro_rules! receives {
            ($($name:literal: |$socket:ident| $wait:expr;)+) => {$({
                let $socket = &UdpSocket::bind("127.0.0.1:0").await.unwrap();
                let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
                peer.connect($socket.local_addr().unwrap()).await.unwrap();
                $socket.connect(peer.local_addr().unwrap()).await.unwrap();
                rows! { $name: async || $wait, async || done(peer.send(b"x").await.unwrap()); }
            })+};
        }
        receives! {
            "UdpSocket::recv": |socket| socket.recv(&mut [0]).await.map(done);
            "UdpSocket::recv_from": |socket| socket.recv_from(&mut [0]).await.map(done);
            "UdpSocket::peek": |socket| socket.peek(&mut [0]).await.map(done);
            "UdpSocket::peek_from": |socket| socket.peek_from(&mut [0]).await.map(done);
            "UdpSocket::peek_sender": |socket| socket.peek_sender().await.map(done);
            "UdpSocket::readable": |socket| socket.readable().await;
            "UdpSocket::recv_buf": |socket| socket.recv_buf(&mut Vec::with_capacity(1)).await.map(done);
            "UdpSocket::poll_recv_ready": |socket| poll_fn(|cx| socket.poll_recv_ready(cx)).await;
            "UdpSocket::poll_recv_from": |socket| {
                poll_fn(|cx| {
                    let mut memory = [0];
                    socket.poll_recv_from(cx, &mut memory[..])
                })
                .await
                .map(done)
            };
        }
    });
}

#[test]
fn c99_any_descriptor() {
    paused().block_on(async {
        macro_rules! waits {
            ($($name:literal: |$fd:ident| $wait:expr;)+) => {$({
                let (end, mut peer) = StdUnixStream::pair().unwrap();
                end.set_nonblocking(true).unwrap();
                let $fd = std::cell::RefCell::new(AsyncFd::new(end).unwrap());
                #[expect(clippy::await_holding_refcell_ref, reason = "there is one task")]
                let wait = async || $wait;
                rows! { $name: wait, async || peer.write_all(b"x").unwrap(); }
            })+};
        }
        waits! {
            "AsyncFd::readable": |fd| fd.borrow().readable().await.map(done);
            "AsyncFd::ready": |fd| fd.borrow().ready(Interest::READABLE).await.map(done);
            "AsyncFd::ready_mut": |fd| {
                fd.borrow_mut().ready_mut(Interest::READABLE).await.map(done)
            };
            "AsyncFd::poll_read_ready": |fd| {
                let fd = fd.borrow();
                poll_fn(|cx| {
                    let guard = ready!(fd.poll_read_ready(cx))?;
                    drop(guard);
                    std::task::Poll::Ready(Ok(()))
                })
                .await
            };
            "AsyncFd::async_io": |fd| {
                let read = |mut end: &StdUnixStream| end.read(&mut [0]);
                fd.borrow().async_io(Interest::READABLE, read).await.map(done)
            };
            "AsyncFd::async_io_mut": |fd| {
                let read = |end: &mut StdUnixStream| end.read(&mut [0]);
                fd.borrow_mut().async_io_mut(Interest::READABLE, read).await.map(done)
            };
        }
    });
}
