//! Writes to a closed peer, in a process where SIGPIPE has its default disposition.
//!
//! Rust programs ignore SIGPIPE. A library inside a C program cannot rely on that: each write must
//! fail with `BrokenPipe`, and none may raise the signal. The signal ends the process, so each
//! write path runs in a child process.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io::{ErrorKind, IoSlice};
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use common::{Reactor, pair};
use framewise_io::net::{TcpStream, UnixDatagram, UnixStream};

/// Names the write path that the child runs.
const PATH: &str = "FRAMEWISE_SIGPIPE_PATH";

const PARTS: [&[u8]; 2] = [b"one", b"two"];

fn parts() -> [IoSlice<'static>; 2] {
    PARTS.map(IoSlice::new)
}

/// Returns a stream whose peer has reset the connection. A read has reported that.
async fn stream_of_a_closed_peer() -> TcpStream {
    let (stream, peer) = pair().await;
    peer.set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(peer);
    let error = stream.read(&mut [0; 1]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    stream
}

/// Returns a Unix stream whose peer is gone.
fn unix_stream() -> UnixStream {
    UnixStream::pair().unwrap().0
}

/// Returns a datagram socket that has shut down sending.
fn unix_datagram() -> UnixDatagram {
    let socket = UnixDatagram::pair().unwrap().0;
    socket.shutdown(std::net::Shutdown::Write).unwrap();
    socket
}

/// Runs one write path in this process, with SIGPIPE at its default, and then ends the process.
fn write_to_a_closed_peer(path: &str) {
    // SAFETY: the default disposition runs no handler.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    let error = Reactor::new().run(async {
        let mut stream = stream_of_a_closed_peer().await;
        match path {
            "unix_write" => unix_stream().write(PARTS[0]).await.map(drop),
            "unix_write_vectored" => unix_stream().write_vectored(&parts()).await.map(drop),
            "unix_try_write" => unix_stream().try_write(PARTS[0]).map(drop),
            "unix_half_write" => unix_stream().into_split().1.write(PARTS[0]).await.map(drop),
            "unix_datagram_send" => unix_datagram().send(PARTS[0]).await.map(drop),
            "unix_datagram_try_send" => unix_datagram().try_send(PARTS[0]).map(drop),
            "stream_write" => stream.write(PARTS[0]).await.map(drop),
            "stream_write_all" => stream.write_all(PARTS[0]).await,
            "stream_write_vectored" => stream.write_vectored(&parts()).await.map(drop),
            "stream_try_write" => stream.try_write(PARTS[0]).map(drop),
            "stream_try_write_vectored" => stream.try_write_vectored(&parts()).map(drop),
            "half_write" => stream.split().1.write(PARTS[0]).await.map(drop),
            "half_write_vectored" => stream.split().1.write_vectored(&parts()).await.map(drop),
            "half_try_write" => stream.split().1.try_write(PARTS[0]).map(drop),
            "half_try_write_vectored" => stream.split().1.try_write_vectored(&parts()).map(drop),
            "owned_write" => stream.into_split().1.write(PARTS[0]).await.map(drop),
            "owned_write_vectored" => {
                let half = stream.into_split().1;
                half.write_vectored(&parts()).await.map(drop)
            }
            "owned_try_write" => stream.into_split().1.try_write(PARTS[0]).map(drop),
            "owned_try_write_vectored" => {
                stream.into_split().1.try_write_vectored(&parts()).map(drop)
            }
            _ => traits::write(path, stream).await,
        }
        .unwrap_err()
    });
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
}

/// Runs each write path in a child process. (Without `PATH` this is the parent.)
fn each_write_fails(paths: &[&str]) {
    if let Ok(path) = std::env::var(PATH) {
        if paths.contains(&&*path) {
            write_to_a_closed_peer(&path);
        }
        return;
    }
    let test = std::thread::current().name().unwrap().to_owned();
    for path in paths {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &test, "--nocapture"])
            .env(PATH, path)
            .output()
            .unwrap();
        let status = output.status;
        assert_ne!(
            status.signal(),
            Some(libc::SIGPIPE),
            "{path} raised SIGPIPE"
        );
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(status.success(), "{path}: {status}: {text}");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("1 passed"), "{path} was not run: {text}");
    }
}

#[test]
fn writes_to_a_closed_peer_raise_no_sigpipe() {
    each_write_fails(&[
        "stream_write",
        "stream_write_all",
        "stream_write_vectored",
        "stream_try_write",
        "stream_try_write_vectored",
        "half_write",
        "half_write_vectored",
        "half_try_write",
        "half_try_write_vectored",
        "owned_write",
        "owned_write_vectored",
        "owned_try_write",
        "owned_try_write_vectored",
    ]);
}

#[test]
fn writes_to_a_closed_unix_socket_raise_no_sigpipe() {
    each_write_fails(&[
        "unix_write",
        "unix_write_vectored",
        "unix_try_write",
        "unix_half_write",
        "unix_datagram_send",
        "unix_datagram_try_send",
    ]);
}

#[cfg(feature = "futures-io")]
#[test]
fn writes_by_futures_io_to_a_closed_peer_raise_no_sigpipe() {
    each_write_fails(&[
        "futures_write",
        "futures_write_vectored",
        "futures_owned_vectored",
    ]);
}

#[cfg(feature = "tokio")]
#[test]
fn writes_by_tokio_to_a_closed_peer_raise_no_sigpipe() {
    each_write_fails(&[
        "tokio_write",
        "tokio_write_vectored",
        "tokio_owned_vectored",
    ]);
}

#[cfg(feature = "hyper")]
#[test]
fn writes_by_hyper_to_a_closed_peer_raise_no_sigpipe() {
    each_write_fails(&[
        "hyper_write",
        "hyper_write_vectored",
        "hyper_owned_vectored",
    ]);
}

/// The write paths of the I/O traits.
mod traits {
    #![allow(
        unused_imports,
        unused_macros,
        unused_variables,
        reason = "without the features there is no path"
    )]

    use std::future::poll_fn;
    use std::io;
    use std::pin::Pin;

    use framewise_io::net::TcpStream;

    use super::{PARTS, parts};

    macro_rules! poll {
        ($stream:expr, $method:path, $buffer:expr) => {{
            let mut stream = $stream;
            poll_fn(|cx| $method(Pin::new(&mut stream), cx, $buffer))
                .await
                .map(drop)
        }};
    }

    pub(super) async fn write(path: &str, stream: TcpStream) -> io::Result<()> {
        #[cfg(feature = "futures-io")]
        use futures::io::AsyncWrite as Futures;
        #[cfg(feature = "hyper")]
        use hyper::rt::Write as Hyper;
        #[cfg(feature = "tokio")]
        use tokio::io::AsyncWrite as Tokio;
        match path {
            #[cfg(feature = "futures-io")]
            "futures_write" => poll!(stream, Futures::poll_write, PARTS[0]),
            #[cfg(feature = "futures-io")]
            "futures_write_vectored" => poll!(stream, Futures::poll_write_vectored, &parts()),
            #[cfg(feature = "futures-io")]
            "futures_owned_vectored" => {
                poll!(
                    stream.into_split().1,
                    Futures::poll_write_vectored,
                    &parts()
                )
            }
            #[cfg(feature = "tokio")]
            "tokio_write" => poll!(stream, Tokio::poll_write, PARTS[0]),
            #[cfg(feature = "tokio")]
            "tokio_write_vectored" => poll!(stream, Tokio::poll_write_vectored, &parts()),
            #[cfg(feature = "tokio")]
            "tokio_owned_vectored" => {
                poll!(stream.into_split().1, Tokio::poll_write_vectored, &parts())
            }
            #[cfg(feature = "hyper")]
            "hyper_write" => poll!(stream, Hyper::poll_write, PARTS[0]),
            #[cfg(feature = "hyper")]
            "hyper_write_vectored" => poll!(stream, Hyper::poll_write_vectored, &parts()),
            #[cfg(feature = "hyper")]
            "hyper_owned_vectored" => {
                poll!(stream.into_split().1, Hyper::poll_write_vectored, &parts())
            }
            path => unreachable!("there is no write path {path}"),
        }
    }
}
