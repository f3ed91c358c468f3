//! UDP and Unix sockets, and pipes: receiving and accepting.

use std::future::{Future, poll_fn};
use std::net::UdpSocket as StdSocket;
use std::sync::Arc;

use framewise::net::UdpSocket;

use crate::row::{Leaves, made, row};

/// Runs a row that waits for a datagram.
#[track_caller]
fn receiving<W>(name: &str, leaves: Leaves, wait: impl Fn(Arc<UdpSocket>) -> W)
where
    W: Future<Output = ()> + Send + 'static,
{
    row(name, leaves, |runtime, _| {
        let socket = Arc::new(runtime.block_on(UdpSocket::bind("127.0.0.1:0")).unwrap());
        let address = socket.local_addr().unwrap();
        let peer = StdSocket::bind("127.0.0.1:0").unwrap();
        let send = move || assert_eq!(peer.send_to(b"1", address).unwrap(), 1);
        made(wait(Arc::clone(&socket)), send, socket)
    });
}

#[test]
fn c48_receiving_a_datagram_leaves_nothing() {
    receiving("recv", Leaves::Nothing, |socket| async move {
        socket.recv(&mut [0; 8]).await.unwrap();
    });
    receiving("recv_from", Leaves::Nothing, |socket| async move {
        socket.recv_from(&mut [0; 8]).await.unwrap();
    });
    receiving("socket's readable", Leaves::Nothing, |socket| async move {
        socket.readable().await.unwrap();
    });
    receiving("poll_recv", Leaves::Slot, |socket| async move {
        let mut buffer = [0; 8];
        poll_fn(|cx| socket.poll_recv(cx, &mut buffer))
            .await
            .unwrap();
    });
}

#[cfg(unix)]
mod unix {
    use std::io::Write;
    use std::os::unix::net::UnixStream as StdStream;

    use framewise::net::unix::pipe;
    use framewise::net::{UnixListener, UnixStream};

    use super::*;

    #[test]
    fn c48_reading_a_unix_stream_leaves_nothing() {
        row("unix read", Leaves::Nothing, |runtime, _| {
            let (stream, mut peer) = StdStream::pair().unwrap();
            let _entered = runtime.enter();
            let stream = Arc::new(UnixStream::from_std(stream).unwrap());
            let wait = Arc::clone(&stream);
            let wait = async move { assert_eq!(wait.read(&mut [0; 8]).await.unwrap(), 1) };
            made(wait, move || peer.write_all(b"1").unwrap(), stream)
        });
    }

    #[test]
    fn c48_reading_a_pipe_leaves_nothing() {
        row("pipe read", Leaves::Nothing, |runtime, _| {
            let (read, mut write) = std::io::pipe().unwrap();
            let _entered = runtime.enter();
            let receiver = Arc::new(pipe::Receiver::from_owned_fd(read.into()).unwrap());
            let wait = Arc::clone(&receiver);
            let wait = async move { assert_eq!(wait.read(&mut [0; 8]).await.unwrap(), 1) };
            made(wait, move || write.write_all(b"1").unwrap(), receiver)
        });
    }

    #[test]
    fn c48_accepting_a_unix_stream_leaves_nothing_with_the_listener() {
        row("unix accept", Leaves::Nothing, |runtime, _| {
            let directory = std::env::temp_dir();
            let path = directory.join(format!("framewise-waits-{}", std::process::id()));
            let _ = std::fs::remove_file(&path);
            let _entered = runtime.enter();
            let listener = Arc::new(UnixListener::bind(&path).unwrap());
            let wait = Arc::clone(&listener);
            let wait = async move { drop(wait.accept().await.unwrap()) };
            let connect = move || {
                drop(StdStream::connect(&path).unwrap());
                std::fs::remove_file(&path).unwrap();
            };
            made(wait, connect, listener)
        });
    }
}
