//! Accepting when the process has no descriptor left. The test lowers the limit of its process, so
//! it is alone in this file.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(target_os = "linux")]

mod common;

use std::fs::File;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

use common::Reactor;
use framewise_io::net::TcpListener;

/// Lowers the limit, and opens all descriptors that are left.
fn exhaust() -> Vec<File> {
    // SAFETY: the limit is borrowed during the calls only.
    unsafe {
        let mut limit = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit), 0);
        limit.rlim_cur = limit.rlim_cur.min(128);
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &limit), 0);
    }
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

#[test]
fn accept_without_descriptors_is_an_error_and_the_connection_is_kept() {
    let reactor = Reactor::new();
    reactor.run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let client = std::net::TcpStream::connect(address).unwrap();
        let mut taken = exhaust();

        // Each call makes one attempt and returns one error. It neither waits nor spins.
        for _ in 0..3 {
            let error = listener.accept().await.unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EMFILE), "{error}");
            assert!(error.to_string().contains("Too many open files"), "{error}");
        }
        // With one more descriptor the connection is accepted, without another edge.
        taken.pop();
        let mut cx = Context::from_waker(Waker::noop());
        let mut accept = pin!(listener.accept());
        let std::task::Poll::Ready(accepted) = accept.as_mut().poll(&mut cx) else {
            panic!("the readiness of the listener was lost");
        };
        let (_stream, peer) = accepted.unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
    });
}
