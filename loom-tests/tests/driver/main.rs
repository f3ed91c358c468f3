//! The I/O driver: the shipped `IoDriver`, `IoHandle` and registrations over a kernel of plain
//! data.
//!
//! The kernel (`io/src/system/model.rs`) reports each edge once, with the token of the
//! registration; its waker saturates; its time passes when a model says so. Bytes are counters
//! beside it, relaxed on purpose. A lost wake-up is a deadlock, a lost event leaves bytes behind.

#![cfg(framewise_loom)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod edges;
mod lookup;
mod shutdown;
mod sources;
mod unparks;

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc as StdArc;
use std::time::Duration;

use framewise_io::model::{Kernel, ModelSource, Peer, kernel};
use framewise_io::{Batch, Direction, IoDriver, IoHandle, Ready, TurnReport};
use framewise_loom_tests::TestWaker;
use framewise_sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use framewise_sync::{Arc, Mutex, thread};

/// A timeout that the model's clock ends.
const LIMIT: Duration = Duration::from_secs(3600);

type Job = Box<dyn FnOnce() + Send>;

fn driver_with(
    blocking: impl Fn(Job) -> io::Result<()> + Send + Sync + 'static,
) -> (IoDriver, IoHandle, Kernel) {
    let (driver, handle) = IoDriver::new(StdArc::new(blocking)).unwrap();
    let kernel = kernel(&handle);
    (driver, handle, kernel)
}

fn driver() -> (IoDriver, IoHandle, Kernel) {
    driver_with(|_| unreachable!("no name is looked up here"))
}

fn turn(driver: &mut IoDriver, limit: Option<Duration>) -> TurnReport {
    let report = driver.turn(limit).unwrap();
    assert!(report.panics.is_empty());
    report
}

/// A turn that does not wait.
fn turn_without_wait(driver: &mut IoDriver) -> TurnReport {
    turn(driver, Some(Duration::ZERO))
}

/// A wait, and the dispatch of its batch after the driver was released.
fn turn_and_hand_over(driver: &Mutex<IoDriver>) {
    let mut batch = Batch::default();
    let waited = driver.lock().wait(Some(Duration::ZERO), &mut batch);
    waited.unwrap();
    assert!(batch.dispatch().panics.is_empty());
}

/// The bytes of a source.
#[derive(Debug)]
struct Pipe {
    bytes: AtomicUsize,
    peer: Peer,
}

impl Pipe {
    /// A byte arrives, and with it an edge.
    fn arrive(&self) {
        self.bytes.fetch_add(1, Ordering::Relaxed);
        self.peer.raise(Ready::READABLE);
    }

    /// Takes all bytes.
    fn receive(&self) -> io::Result<usize> {
        match self.bytes.swap(0, Ordering::Relaxed) {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }

    fn pending(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// A registered source, and its bytes.
fn source(handle: &IoHandle, initial: Ready) -> (Arc<ModelSource>, Arc<Pipe>) {
    let (descriptor, peer) = kernel(handle).open();
    let bytes = AtomicUsize::new(0);
    let _entered = handle.enter();
    let source = ModelSource::new(descriptor, initial).unwrap();
    (Arc::new(source), Arc::new(Pipe { bytes, peer }))
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    TestWaker::new().block_on(&mut pin!(future))
}

fn join<T>(thread: thread::JoinHandle<T>) -> T {
    thread.join().unwrap()
}

/// A thread that reads two bytes and ends the driver's loop.
fn reader(
    handle: &IoHandle,
    done: &Arc<AtomicBool>,
    source: Arc<ModelSource>,
    pipe: Arc<Pipe>,
    short: bool,
) -> thread::JoinHandle<()> {
    let (handle, done) = (handle.clone(), Arc::clone(done));
    thread::spawn(move || {
        let mut count = 0;
        while count < 2 {
            let receive = || pipe.receive();
            count += match short {
                true => block_on(source.transfer(Direction::Read, 8, receive)),
                false => block_on(poll_fn(|cx| source.poll_io(cx, Direction::Read, receive))),
            }
            .unwrap();
        }
        assert_eq!(count, 2);
        done.store(true, Ordering::Relaxed);
        handle.unpark();
    })
}
