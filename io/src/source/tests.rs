//! An event that arrives while an operation runs, on each path from an operation to the word.
//!
//! An event can be lost only if it arrives between the system call and the clear. So the event
//! arrives within the operation: the peer writes and the driver runs before the operation returns.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::panic::{self, AssertUnwindSafe};
use std::pin::pin;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use super::*;
use crate::driver::IoDriver;

/// A registered stream, its peer, and the driver.
struct Rig {
    source: IoSource<mio::net::TcpStream>,
    /// The peer, until it has written in a `read`.
    peer: Cell<Option<std::net::TcpStream>>,
    /// The peer afterwards.
    silent_peer: Cell<Option<std::net::TcpStream>>,
    driver: RefCell<IoDriver>,
    handle: IoHandle,
}

impl Rig {
    /// The source is readable at first. The driver has fetched the edge of its registration.
    fn new() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let peer = std::net::TcpStream::connect(address).expect("it listens");
        let (stream, _) = listener.accept().expect("the peer has connected");
        stream.set_nonblocking(true).expect("a socket");
        let spawner: crate::BlockingSpawner = Arc::new(|_| unreachable!("no name is looked up"));
        let (mut driver, handle) = IoDriver::new(spawner).expect("a driver");
        let entered = handle.enter();
        let stream = mio::net::TcpStream::from_std(stream);
        let source = IoSource::new(stream, Ready::READABLE).expect("it is registered");
        while !source.registration.load().ready().is_writable() {
            driver.turn(None).expect("the driver runs");
        }
        drop(entered);
        Self {
            source,
            peer: Cell::new(Some(peer)),
            silent_peer: Cell::new(None),
            driver: driver.into(),
            handle,
        }
    }

    /// Reads up to two bytes. Before the first read returns, a byte arrives, and the driver has set
    /// the source's readiness.
    fn read(&self, mut io: &mio::net::TcpStream) -> io::Result<usize> {
        let result = io.read(&mut [0; 2]);
        if let Some(mut peer) = self.peer.take() {
            peer.write_all(b"x").expect("the source is open");
            let mut driver = self.driver.borrow_mut();
            while driver.turn(None).expect("the driver runs").events == 0 {}
            // Kept, since its end would be another event.
            self.silent_peer.set(Some(peer));
        }
        result
    }

    /// Has the peer write a byte, and the driver fetch its event.
    fn write_byte(&self) {
        let mut peer = self.peer.take().expect("it has not written");
        peer.write_all(b"y").expect("the source is open");
        let mut driver = self.driver.borrow_mut();
        while driver.turn(None).expect("the driver runs").events == 0 {}
        self.peer.set(Some(peer));
    }

    /// Asserts that the source is readable, after a read found no byte and then one arrived.
    fn assert_readable(&self) {
        let mut driver = self.driver.borrow_mut();
        let report = driver.turn(Some(Duration::ZERO)).expect("the driver runs");
        assert_eq!(report.events, 0, "the kernel reports an edge once");
        assert!(
            self.source.registration.load().ready().is_readable(),
            "the clear erased an event that came after the read"
        );
    }

    /// Asserts that a poll whose first read found no byte has tried again because of the event.
    fn assert_reads_the_byte(polled: Poll<io::Result<usize>>) {
        assert!(
            matches!(polled, Poll::Ready(Ok(1))),
            "the clear erased an event that came after the read: {polled:?}"
        );
    }
}

fn cx() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

#[test]
fn an_event_during_try_io_that_would_block_is_kept() {
    let rig = Rig::new();
    let result = rig.source.try_io(Direction::Read, |io| rig.read(io));
    assert_eq!(
        result.map_err(|error| error.kind()),
        Err(ErrorKind::WouldBlock)
    );
    rig.assert_readable();
}

#[test]
fn an_event_during_poll_io_that_would_block_is_kept() {
    let rig = Rig::new();
    let polled = rig
        .source
        .poll_io(&mut cx(), Direction::Read, |io| rig.read(io));
    Rig::assert_reads_the_byte(polled);
}

#[cfg(any(feature = "futures-io", feature = "tokio", feature = "hyper"))]
#[test]
fn an_event_during_poll_transfer_that_would_block_is_kept() {
    let rig = Rig::new();
    let polled = rig
        .source
        .poll_transfer(&mut cx(), Direction::Read, 2, |io| rig.read(io));
    Rig::assert_reads_the_byte(polled);
}

#[test]
fn an_event_during_async_io_that_would_block_is_kept() {
    let rig = Rig::new();
    let future = rig.source.async_io(Direction::Read, |io| rig.read(io));
    Rig::assert_reads_the_byte(pin!(future).poll(&mut cx()));
}

#[test]
fn an_event_during_a_transfer_that_would_block_is_kept() {
    let rig = Rig::new();
    let future = rig.source.transfer(Direction::Read, 2, |io| rig.read(io));
    Rig::assert_reads_the_byte(pin!(future).poll(&mut cx()));
}

/// A short read clears the readiness, too, with the tick from before the read.
#[test]
fn an_event_during_a_short_read_is_kept() {
    let rig = Rig::new();
    rig.write_byte();
    let future = rig.source.transfer(Direction::Read, 2, |io| rig.read(io));
    Rig::assert_reads_the_byte(pin!(future).poll(&mut cx()));
    rig.assert_readable();
}

/// Without an event in between, a read that would block clears the readiness, so the next one
/// waits.
#[test]
fn an_operation_that_would_block_is_tried_once() {
    let rig = Rig::new();
    let tries = Cell::new(0);
    let polled = rig.source.poll_io(&mut cx(), Direction::Read, |mut io| {
        tries.set(tries.get() + 1);
        io.read(&mut [0; 2])
    });
    assert!(polled.is_pending());
    assert_eq!(tries.get(), 1);
    assert!(!rig.source.registration.load().ready().is_readable());
}

/// Without an event in between, a short read clears the readiness, where short means drained.
#[test]
fn a_short_read_clears_the_readiness() {
    let rig = Rig::new();
    rig.write_byte();
    let future = rig
        .source
        .transfer(Direction::Read, 2, |mut io| io.read(&mut [0; 2]));
    Rig::assert_reads_the_byte(pin!(future).poll(&mut cx()));
    let is_readable = rig.source.registration.load().ready().is_readable();
    assert_eq!(is_readable, !SHORT_MEANS_DRAINED);
}

/// A short try clears nothing: only the one that would block does.
#[test]
fn a_short_try_clears_no_readiness() {
    let rig = Rig::new();
    rig.write_byte();
    let is_readable = || rig.source.registration.load().ready().is_readable();
    let read = |mut io: &mio::net::TcpStream| io.read(&mut [0; 2]);
    let result = rig.source.try_io(Direction::Read, read);
    assert_eq!(result.expect("there is a byte"), 1);
    assert!(is_readable());
    let result = rig.source.try_io(Direction::Read, read);
    assert_eq!(
        result.map_err(|error| error.kind()),
        Err(ErrorKind::WouldBlock)
    );
    assert!(!is_readable());
}

/// An error of another kind says nothing about the readiness: it is returned, and the next
/// operation is tried.
#[test]
fn an_operation_that_fails_is_not_repeated_and_clears_no_readiness() {
    let rig = Rig::new();
    let fails = || Err::<(), _>(io::Error::from(ErrorKind::ConnectionReset));
    let kind = |result: io::Result<()>| result.map_err(|error| error.kind());
    for _ in 0..2 {
        let result = rig.source.try_io(Direction::Read, |_| fails());
        assert_eq!(kind(result), Err(ErrorKind::ConnectionReset));
        let polled = rig.source.poll_io(&mut cx(), Direction::Read, |_| fails());
        assert_eq!(
            polled.map(kind),
            Poll::Ready(Err(ErrorKind::ConnectionReset))
        );
        let future = rig.source.async_io(Direction::Read, |_| fails());
        assert_eq!(
            pin!(future).poll(&mut cx()).map(kind),
            Poll::Ready(Err(ErrorKind::ConnectionReset))
        );
    }
}

/// Returns how many ready operations the poll of a task may do after `f`.
fn units_after(f: impl FnOnce()) -> usize {
    coop::with_budget(|| {
        f();
        let denied = || coop::poll_spend(&mut cx()).is_pending();
        std::iter::repeat_with(denied)
            .take_while(|denied| !denied)
            .count()
    })
}

#[test]
fn an_operation_that_would_block_takes_no_unit_of_the_budget() {
    let blocks = || Err::<(), _>(io::Error::from(ErrorKind::WouldBlock));
    let all = units_after(|| ());
    let rig = Rig::new();
    let units = units_after(|| {
        let polled = rig.source.poll_io(&mut cx(), Direction::Read, |_| blocks());
        assert!(polled.is_pending());
    });
    assert_eq!(units, all);
    let rig = Rig::new();
    let units = units_after(|| {
        let future = rig.source.async_io(Direction::Read, |_| blocks());
        assert!(pin!(future).poll(&mut cx()).is_pending());
    });
    assert_eq!(units, all);
    let units = units_after(|| {
        let future = rig.source.async_io(Direction::Write, |_| Ok(()));
        assert!(pin!(future).poll(&mut cx()).is_ready());
    });
    assert_eq!(units, all - 1);
}

/// The destructors of callbacks are user code, so they run last.
#[test]
fn a_source_whose_callback_panics_at_its_end_leaves_the_table() {
    struct PanicsOnDrop;
    impl Drop for PanicsOnDrop {
        fn drop(&mut self) {
            panic!("expected: a destructor");
        }
    }

    let Rig {
        source,
        handle,
        driver,
        ..
    } = Rig::new();
    let sources = || handle.shared().sources.lock().slab.len();
    assert_eq!(sources(), 1);
    let panics = PanicsOnDrop;
    let callback = source.on_ready(Interest::READABLE, move |_| {
        let _panics = &panics;
    });
    assert!(callback.is_ok());
    let dropped = panic::catch_unwind(AssertUnwindSafe(|| drop(source)));
    assert!(dropped.is_err());
    assert_eq!(sources(), 0);
    drop(driver);
}
