//! `AsyncFd`: any descriptor, with the driver on the test's own thread where the order of an event
//! and a step matters.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
mod frames;
mod guards;
mod interests;

use std::fs::File;
use std::future::Future;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use common::{Reactor, spawner};
use framewise_io::unix::AsyncFd;
use framewise_io::{Interest, IoDriver, Ready};
use framewise_test_support::CountingWaker;

const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// Returns the two ends of a connection, in non-blocking mode.
fn sockets() -> (UnixStream, UnixStream) {
    let (one, other) = UnixStream::pair().unwrap();
    one.set_nonblocking(true).unwrap();
    other.set_nonblocking(true).unwrap();
    (one, other)
}

/// Runs a test with a driver that collects events only when the argument is called.
fn by_hand(test: impl FnOnce(&mut dyn FnMut())) {
    let (mut driver, handle) = IoDriver::new(spawner()).unwrap();
    let _guard = handle.enter();
    test(&mut || {
        let report = driver.turn(Some(Duration::ZERO)).unwrap();
        assert!(report.panics.is_empty());
    });
    driver.shutdown();
}

#[test]
fn it_is_ready_cleared_and_ready_again() {
    Reactor::new().run(async {
        let (one, mut peer) = sockets();
        let fd = AsyncFd::new(one).unwrap();
        let mut guard = fd.writable().await.unwrap();
        let written = guard.try_io(|fd| fd.get_ref().write(b"out")).unwrap();
        assert_eq!(written.unwrap(), 3);
        for message in [b"one", b"two"] {
            peer.write_all(message).unwrap();
            let mut buffer = [0; 3];
            let mut guard = fd.readable().await.unwrap();
            assert!(guard.ready().is_readable() && !guard.ready().is_writable());
            guard.get_inner().read_exact(&mut buffer).unwrap();
            assert_eq!(&buffer, message);
            // Only an operation that would block clears the readiness.
            let again = fd.readable().await.unwrap();
            drop(again);
            let drained = guard.try_io(|fd| fd.get_ref().read(&mut buffer));
            assert_eq!(
                drained.unwrap_err().to_string(),
                "the operation would block"
            );
            assert!(guard.ready().is_empty());
            assert!(futures::poll!(pin!(fd.readable())).is_pending());
        }
    });
}

#[test]
fn operations_wait_until_they_do_not_block() {
    let reactor = Reactor::new();
    let (one, mut peer) = sockets();
    let mut fd = reactor.run(async { AsyncFd::new(one).unwrap() });
    let waiting = reactor.spawn(async move {
        let mut buffer = [0; 8];
        let read = fd.async_io(Interest::READABLE, |mut end| end.read(&mut buffer));
        assert_eq!(read.await.unwrap(), 1);
        let read = fd.async_io_mut(Interest::READABLE, |end| end.read(&mut buffer));
        assert_eq!(read.await.unwrap(), 0, "the peer is closed");
        let failed = fd.async_io(BOTH, |_| Err::<(), _>(io::Error::other("expected")));
        assert_eq!(failed.await.unwrap_err().to_string(), "expected");
    });
    peer.write_all(b"x").unwrap();
    drop(peer);
    waiting.join().unwrap();
}

#[test]
fn try_io_calls_the_operation_only_if_the_driver_knows_of_readiness() {
    by_hand(|turn| {
        let (one, mut peer) = sockets();
        let mut fd = AsyncFd::new(one).unwrap();
        peer.write_all(b"x").unwrap();
        let not_called = fd.try_io(Interest::READABLE, |_| -> io::Result<()> { unreachable!() });
        assert_eq!(not_called.unwrap_err().kind(), ErrorKind::WouldBlock);
        turn();
        let mut buffer = [0; 8];
        let read = fd.try_io(Interest::READABLE, |mut end| end.read(&mut buffer));
        assert_eq!(read.unwrap(), 1);
        let drained = fd.try_io_mut(Interest::READABLE, |end| end.read(&mut buffer));
        assert_eq!(drained.unwrap_err().kind(), ErrorKind::WouldBlock);
        let not_called =
            fd.try_io_mut(Interest::READABLE, |_| -> io::Result<()> { unreachable!() });
        assert_eq!(not_called.unwrap_err().kind(), ErrorKind::WouldBlock);
        fd.try_io_mut(Interest::WRITABLE, |end| end.write_all(b"y"))
            .unwrap();
    });
}

#[test]
fn poll_functions_keep_one_waker_for_each_direction() {
    by_hand(|turn| {
        let (one, mut peer) = sockets();
        let mut fd = AsyncFd::new(one).unwrap();
        let (read, read_waker) = CountingWaker::new();
        let (write, write_waker) = CountingWaker::new();
        assert!(
            fd.poll_read_ready(&mut Context::from_waker(&read_waker))
                .is_pending()
        );
        let mut cx = Context::from_waker(&write_waker);
        assert!(fd.poll_write_ready(&mut cx).is_pending());
        turn();
        assert_eq!((read.wakes(), write.wakes()), (0, 1));
        assert!(fd.poll_write_ready(&mut cx).is_ready());
        let Poll::Ready(Ok(mut guard)) = fd.poll_write_ready_mut(&mut cx) else {
            panic!("it is writable");
        };
        assert_eq!(guard.ready(), Ready::WRITABLE);
        guard.clear_ready();
        peer.write_all(b"x").unwrap();
        turn();
        assert_eq!((read.wakes(), write.wakes()), (1, 1));
        let Poll::Ready(Ok(guard)) = fd.poll_read_ready_mut(&mut cx) else {
            panic!("it is readable");
        };
        assert_eq!(guard.ready(), Ready::READABLE);
    });
}

#[test]
fn the_inner_value_is_taken_out_and_registered_again() {
    Reactor::new().run(async {
        let (mut one, mut peer) = sockets();
        for _ in 0..3 {
            let fd = AsyncFd::new(one).unwrap();
            drop(fd.writable().await.unwrap());
            one = fd.into_inner();
        }
        let fd = AsyncFd::with_interest(one, Interest::READABLE).unwrap();
        peer.write_all(b"x").unwrap();
        drop(fd.readable().await.unwrap());
        assert_eq!(fd.as_raw_fd(), fd.get_ref().as_raw_fd());
        assert_eq!(fd.as_fd().as_raw_fd(), fd.as_raw_fd());
        let text = format!("{fd:?}");
        assert!(text.starts_with("AsyncFd { inner: UnixStream"), "{text}");
        // SAFETY: the stream owns its descriptor.
        let registered = unsafe { AsyncFd::register(fd.into_inner()) };
        let one = registered.unwrap().into_inner();
        // SAFETY: the same.
        unsafe { AsyncFd::register_with_interest(one, BOTH) }.unwrap();
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_descriptor_that_cannot_be_registered_is_given_back() {
    Reactor::new().run(async {
        let file = File::open("/proc/self/exe").unwrap();
        let raw = file.as_raw_fd();
        let error = AsyncFd::try_new(file).unwrap_err();
        assert!(error.to_string().contains("not registered"), "{error}");
        assert!(std::error::Error::source(&error).is_some());
        let (file, cause) = error.into_parts();
        assert_eq!(
            (file.as_raw_fd(), cause.kind()),
            (raw, ErrorKind::PermissionDenied)
        );
        let error = AsyncFd::with_interest(file, Interest::WRITABLE).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);

        let (one, _peer) = sockets();
        let first = AsyncFd::new(one.as_fd()).unwrap();
        let error = AsyncFd::new(one.as_fd()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        // The rejected registration took nothing from the first.
        drop(first.writable().await.unwrap());
    });
}

#[test]
fn outside_of_a_runtime_it_is_an_error() {
    let (one, _peer) = sockets();
    let error = AsyncFd::try_new(one).unwrap_err();
    let (one, cause) = error.into_parts();
    assert!(cause.to_string().contains("within a runtime"), "{cause}");
    // A registered one can be used anywhere.
    let reactor = Reactor::new();
    let fd = reactor.run(async { AsyncFd::new(one).unwrap() });
    drop(futures::executor::block_on(fd.writable()).unwrap());
}

/// The descriptor is closed with its owner, also while it is awaited. Then its place in the
/// driver's table is another's.
#[test]
fn a_wait_that_is_dropped_with_its_descriptor_leaves_nothing() {
    by_hand(|turn| {
        let (one, mut peer) = sockets();
        let duplicate = one.try_clone().unwrap();
        let (woken, waker) = CountingWaker::new();
        let mut cx = Context::from_waker(&waker);
        {
            let fd = AsyncFd::new(one).unwrap();
            assert!(fd.poll_read_ready(&mut cx).is_pending());
            let mut wait = Box::pin(async move { fd.readable().await.map(drop) });
            assert!(wait.as_mut().poll(&mut cx).is_pending());
        }
        let (next, _next_peer) = sockets();
        let next = AsyncFd::with_interest(next, Interest::READABLE).unwrap();
        assert!(next.poll_read_ready(&mut cx).is_pending());
        // The open file lives in the duplicate. Its events reach no source.
        peer.write_all(b"x").unwrap();
        turn();
        assert_eq!(woken.wakes(), 0);
        assert_eq!((&duplicate).read(&mut [0; 8]).unwrap(), 1);
        drop(next);
        drop(waker);
        assert_eq!(Arc::strong_count(&woken), 1, "the slot kept the waker");
        drop(duplicate);
        assert!(peer.write(b"x").is_err(), "the descriptor is still open");
    });
}

/// A closed number cannot be deregistered, and events of its open file still come, with a token
/// that is no source's any more.
#[cfg(target_os = "linux")]
#[test]
fn a_descriptor_that_is_closed_too_early_harms_no_other() {
    by_hand(|turn| {
        let (one, mut peer) = sockets();
        let duplicate = one.try_clone().unwrap();
        let fd = AsyncFd::new(one.as_raw_fd()).unwrap();
        drop(one);
        drop(fd);
        let (other, _other_peer) = sockets();
        let other = AsyncFd::with_interest(other, Interest::READABLE).unwrap();
        let (woken, waker) = CountingWaker::new();
        assert!(
            other
                .poll_read_ready(&mut Context::from_waker(&waker))
                .is_pending()
        );
        peer.write_all(b"x").unwrap();
        turn();
        assert_eq!(woken.wakes(), 0);
        drop(duplicate);
    });
}

#[test]
fn the_registration_ends_before_the_inner_value_is_dropped() {
    /// Registers a duplicate of itself on drop, which its own registration would forbid: on Linux
    /// one open file is registered once for each number.
    struct Checked(Option<UnixStream>);

    impl AsRawFd for Checked {
        fn as_raw_fd(&self) -> i32 {
            self.0.as_ref().unwrap().as_raw_fd()
        }
    }

    impl Drop for Checked {
        fn drop(&mut self) {
            let end = self.0.take().unwrap();
            AsyncFd::new(end).unwrap();
        }
    }

    by_hand(|_| {
        let (one, _peer) = sockets();
        drop(AsyncFd::new(Checked(Some(one))).unwrap());
    });
}

#[test]
fn after_shutdown_waits_and_registrations_fail() {
    let mut reactor = Reactor::new();
    let (one, _peer) = sockets();
    let (other, _other_peer) = sockets();
    let fd = Arc::new(reactor.run(async { AsyncFd::new(one).unwrap() }));
    let waiting = Arc::clone(&fd);
    let waiting = reactor.spawn(async move { waiting.readable().await.map(drop).unwrap_err() });
    let mut guard = reactor.run(fd.writable()).unwrap();
    // The wait has begun, or is about to. It must end in both cases.
    reactor.stop();
    let error = waiting.join().unwrap();
    assert!(error.to_string().contains("shutting down"), "{error}");
    guard.clear_ready();
    reactor.run(async {
        assert!(fd.readable().await.is_err());
        assert!(fd.async_io(BOTH, |_| Ok(())).await.is_err());
        let (_, cause) = AsyncFd::try_new(other).unwrap_err().into_parts();
        assert!(cause.to_string().contains("shutting down"), "{cause}");
    });
    drop(guard);
    let inner = Arc::into_inner(fd).unwrap().into_inner();
    (&inner).write_all(b"x").unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn an_eventfd_counts_what_was_missed() {
    use std::os::fd::{FromRawFd, OwnedFd};

    Reactor::new().run(async {
        // SAFETY: the call takes no pointers.
        let raw = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        assert!(raw >= 0);
        // SAFETY: the descriptor was just opened.
        let counter = File::from(unsafe { OwnedFd::from_raw_fd(raw) });
        let mut writer = counter.try_clone().unwrap();
        let fd = AsyncFd::with_interest(counter, Interest::READABLE).unwrap();
        for _ in 0..2 {
            writer.write_all(&1_u64.to_ne_bytes()).unwrap();
            writer.write_all(&2_u64.to_ne_bytes()).unwrap();
            let mut count = [0; 8];
            let read = fd.async_io(Interest::READABLE, |mut fd| fd.read(&mut count));
            assert_eq!(read.await.unwrap(), 8);
            assert_eq!(u64::from_ne_bytes(count), 3);
            let drained = fd.try_io(Interest::READABLE, |mut fd| fd.read(&mut count));
            assert_eq!(drained.unwrap_err().kind(), ErrorKind::WouldBlock);
        }
    });
}
