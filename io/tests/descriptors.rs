//! Descriptors that are closed, are reused, or have duplicates.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(unix)]

mod common;

use std::io::{ErrorKind, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use common::{Reactor, pair};
use framewise_io::Interest;
use framewise_io::net::{TcpListener, TcpStream};
use futures::FutureExt;

/// Serializes the tests: the number of a new descriptor depends on which others are open.
static SERIAL: Mutex<()> = Mutex::new(());

fn serially() -> MutexGuard<'static, ()> {
    SERIAL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// While a duplicate lives, closing a descriptor does not end its registration with epoll. Events
/// for a dropped stream must not reach the stream that reuses its descriptor's number.
#[test]
fn a_duplicate_that_outlives_its_stream_wakes_no_task() {
    let _serially = serially();
    let reactor = Reactor::new();
    reactor.run(async {
        let (client, server) = pair().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let number = server.as_raw_fd();
        let duplicate = server.as_fd().try_clone_to_owned().unwrap();
        drop(server);

        // The number is reused.
        let other_server = TcpStream::connect(address).await.unwrap();
        let (other_client, _) = listener.accept().await.unwrap();
        assert_eq!(
            other_server.as_raw_fd(),
            number,
            "the test needs the same number"
        );
        // An event for the duplicate's connection.
        client.write_all(b"unexpected").await.unwrap();
        // And after it one for the new connection, so that the driver has fetched both.
        other_client.write_all(b"x").await.unwrap();
        assert_eq!(other_server.read(&mut [0; 16]).await.unwrap(), 1);
        assert!(other_server.readable().now_or_never().is_none());

        // The duplicate is a socket like any other.
        let duplicate = TcpStream::from_std(std::net::TcpStream::from(duplicate)).unwrap();
        let mut buffer = [0; 10];
        duplicate.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"unexpected");
    });
}

/// An event notifies a stream and its duplicate.
#[test]
fn a_duplicate_may_be_registered_beside_its_stream() {
    let _serially = serially();
    Reactor::new().run(async {
        let (client, server) = pair().await;
        let duplicate = server.as_fd().try_clone_to_owned().unwrap();
        let duplicate = TcpStream::from_std(std::net::TcpStream::from(duplicate)).unwrap();
        client.write_all(b"twice").await.unwrap();
        futures::join!(server.readable(), duplicate.readable())
            .0
            .unwrap();
        assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 5);
        // It was notified, but the stream has read the bytes.
        assert_eq!(
            duplicate.try_read(&mut [0; 8]).unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
        drop(server);
        client.write_all(b"once").await.unwrap();
        assert_eq!(duplicate.read(&mut [0; 8]).await.unwrap(), 4);
    });
}

/// Several threads open and close streams while events for them arrive. Each stream gets its own
/// bytes and its own end.
#[test]
fn descriptors_are_used_again_under_load() {
    const ROUNDS: u32 = 300;
    let _serially = serially();
    let reactor = Reactor::new();
    let listener = reactor.run(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let threads: Vec<_> = (0..3)
        .map(|thread: u32| {
            reactor.spawn(async move {
                for round in 0..ROUNDS {
                    let stream = TcpStream::connect(address).await.unwrap();
                    let message = (thread * ROUNDS + round).to_le_bytes();
                    stream.write_all(&message).await.unwrap();
                    if round % 3 == 0 {
                        // Closed while the answer is in flight.
                        continue;
                    }
                    let mut answer = [0; 4];
                    stream.read_exact(&mut answer).await.unwrap();
                    assert_eq!(answer, message);
                    assert_eq!(stream.read(&mut answer).await.unwrap(), 0);
                }
            })
        })
        .collect();
    reactor.run(async {
        for _ in 0..3 * ROUNDS {
            let (stream, _) = listener.accept().await.unwrap();
            let mut message = [0; 4];
            stream.read_exact(&mut message).await.unwrap();
            // The client may be gone.
            let _ = stream.write_all(&message).await;
        }
    });
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
}

/// A stream that was converted to `std`'s gets no events any more, and can be registered again.
#[test]
fn a_stream_is_registered_again_after_into_std() {
    let _serially = serially();
    Reactor::new().run(async {
        let (client, mut server) = pair().await;
        for _ in 0..10 {
            client.write_all(b"round").await.unwrap();
            let mut buffer = [0; 5];
            server.read_exact(&mut buffer).await.unwrap();
            server = TcpStream::from_std(server.into_std().unwrap()).unwrap();
        }
        assert!(
            server
                .ready(Interest::WRITABLE)
                .await
                .unwrap()
                .is_writable()
        );
    });
}

/// Registering a descriptor that epoll rejects is an error and leaves nothing behind.
#[cfg(target_os = "linux")]
#[test]
fn a_descriptor_that_epoll_rejects_is_an_error() {
    use std::os::fd::OwnedFd;

    let _serially = serially();
    Reactor::new().run(async {
        let path = std::env::temp_dir().join(format!("framewise-io-{}", std::process::id()));
        let mut file = std::fs::File::create(&path).unwrap();
        file.write_all(b"not a socket").unwrap();
        std::fs::remove_file(&path).unwrap();
        let stream = std::net::TcpStream::from(OwnedFd::from(file));
        assert_eq!(
            TcpStream::from_std(stream).unwrap_err().raw_os_error(),
            Some(libc::EPERM)
        );
        let (client, server) = pair().await;
        client.write_all(b"x").await.unwrap();
        server.readable().await.unwrap();
    });
}
