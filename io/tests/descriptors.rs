//! Descriptors that end, are used again, or have duplicates.

#![allow(clippy::unwrap_used)]
#![cfg(unix)]

mod common;

use std::io::{ErrorKind, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use common::{Reactor, pair};
use framewise_io::Interest;
use framewise_io::net::{TcpListener, TcpStream};
use futures::FutureExt;

/// One test at a time: which number a descriptor gets depends on what else is open.
static SERIAL: Mutex<()> = Mutex::new(());

fn serially() -> MutexGuard<'static, ()> {
    SERIAL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// While a duplicate lives, closing a descriptor does not end its registration with epoll: events
/// for a stream that is gone must not reach the one that has taken its descriptor's number.
#[test]
fn a_duplicate_that_outlives_its_stream_wakes_nobody() {
    let _serially = serially();
    let reactor = Reactor::new();
    reactor.run(async {
        let (client, server) = pair().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let number = server.as_raw_fd();
        let duplicate = server.as_fd().try_clone_to_owned().unwrap();
        drop(server);

        // The number is used again.
        let other_server = TcpStream::connect(address).await.unwrap();
        let (other_client, _) = listener.accept().await.unwrap();
        assert_eq!(
            other_server.as_raw_fd(),
            number,
            "the test is moot without the same number"
        );
        // Something happens to the duplicate's connection.
        client.write_all(b"for nobody").await.unwrap();
        // And after it to the new one, so that the driver has seen both.
        other_client.write_all(b"x").await.unwrap();
        assert_eq!(other_server.read(&mut [0; 16]).await.unwrap(), 1);
        assert!(other_server.readable().now_or_never().is_none());

        // The duplicate is a socket like any other.
        let duplicate = TcpStream::from_std(std::net::TcpStream::from(duplicate)).unwrap();
        let mut buffer = [0; 10];
        duplicate.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"for nobody");
    });
}

/// Both a stream and its duplicate are told of what arrives.
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
        // It was told, but somebody else was quicker.
        assert_eq!(
            duplicate.try_read(&mut [0; 8]).unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
        drop(server);
        client.write_all(b"once").await.unwrap();
        assert_eq!(duplicate.read(&mut [0; 8]).await.unwrap(), 4);
    });
}

/// Streams come and go on several threads while events for them are under way: each gets its own
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
                        // Closed while its answer is under way.
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
            // The client may have gone.
            let _ = stream.write_all(&message).await;
        }
    });
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
}

/// A stream that is given back is not told of anything any more, and can be registered anew.
#[test]
fn a_stream_is_registered_again_after_it_was_given_back() {
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

/// What epoll refuses is an error of the registration, and leaves nothing behind.
#[cfg(target_os = "linux")]
#[test]
fn a_descriptor_that_epoll_refuses_is_an_error() {
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
