//! The I/O driver: the shipped `IoDriver`, `IoHandle` and registrations over a kernel of plain
//! data.
//!
//! The kernel (`io/src/system/model.rs`) reports each edge once, with the token of the
//! registration; its waker saturates; its time passes when a model says so. Bytes are counters
//! beside it, relaxed on purpose. A lost wake-up is a deadlock, a lost event leaves bytes behind.
#![cfg(framewise_loom)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc as StdArc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use framewise::model::Parker;
use framewise_context::coop;
use framewise_io::model::{Kernel, ModelSource, Peer, kernel, lookup, sources};
use framewise_io::{Batch, Direction, Interest, IoDriver, IoHandle, Ready, TurnReport};
use framewise_loom_tests::{DropTracker, TestWaker, model};
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

/// Polls `future` without a unit of budget at every other poll, the first one included.
async fn denied_at_times<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut has_units = true;
    poll_fn(|cx| {
        has_units = !has_units;
        coop::with_budget(|| {
            while !has_units && coop::has_budget_remaining() {
                assert!(coop::poll_spend(&mut Context::from_waker(Waker::noop())).is_ready());
            }
            future.as_mut().poll(cx)
        })
    })
    .await
}

/// Race: an edge against a read that the budget denies after it saw the readiness, in the list and
/// in the slot. The denied read has no entry any more and must not lose the event. Failure: the
/// reader sleeps forever.
fn event_against_denied_read(in_list: bool) {
    let (mut driver, handle, _) = driver();
    let (source, pipe) = source(&handle, Ready::EMPTY);
    pipe.arrive();
    let (reader_pipe, reader_handle) = (Arc::clone(&pipe), handle.clone());
    let done = Arc::new(AtomicBool::new(false));
    let reader_done = Arc::clone(&done);
    let reader = thread::spawn(move || {
        let receive = || reader_pipe.receive();
        let count = match in_list {
            true => block_on(denied_at_times(source.async_io(Direction::Read, receive))),
            false => block_on(denied_at_times(poll_fn(|cx| {
                source.poll_io(cx, Direction::Read, receive)
            }))),
        };
        assert_eq!(count.unwrap(), 1);
        reader_done.store(true, Ordering::Relaxed);
        reader_handle.unpark();
    });
    while !done.load(Ordering::Relaxed) {
        turn(&mut driver, None);
    }
    join(reader);
    assert_eq!(pipe.pending(), 0);
}

#[test]
fn a_read_that_the_budget_denies_in_the_list_loses_no_event() {
    model("event × read that is denied, list", || {
        event_against_denied_read(true)
    });
}

#[test]
fn a_read_that_the_budget_denies_in_the_slot_loses_no_event() {
    model("event × read that is denied, slot", || {
        event_against_denied_read(false)
    });
}

/// Race: edges against a reader that reads, clears, and waits in between. Failure: the reader or
/// the driver sleeps forever. (Only the unpark makes the flag visible.)
fn event_wait_clear(short: bool) {
    let (mut driver, handle, _) = driver();
    let (source, pipe) = source(&handle, Ready::EMPTY);
    let done = Arc::new(AtomicBool::new(false));
    pipe.arrive();
    let reader = reader(&handle, &done, source, Arc::clone(&pipe), short);
    let peer = thread::spawn(move || pipe.arrive());
    while !done.load(Ordering::Relaxed) {
        turn(&mut driver, None);
    }
    join(reader);
    join(peer);
}

#[test]
fn an_event_meets_a_reader_that_reads_short() {
    model("event × wait × clear", || event_wait_clear(true));
}

#[test]
fn an_event_meets_a_reader_that_would_block() {
    model("event × wait × clear_if_would_block, slot", || {
        event_wait_clear(false)
    });
}

/// A point at which loom considers switching threads: `loom-tests/README.md`, "What "exhausted"
/// means", explains why a load before an exchange needs one.
#[derive(Default)]
struct Point(AtomicUsize);

impl Point {
    fn pass(&self) {
        // Relaxed: it publishes nothing to the other threads.
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// How a reader tries to read.
type Read = fn(&ModelSource, &dyn Fn() -> io::Result<usize>) -> io::Result<usize>;

/// Race: an event arrives between a read that would block and the clear of the readiness, in the
/// shipped callers of the word. Failure: a byte is left in a source that is not readable. The peer
/// and the driver are one thread, so few preemptions suffice.
fn an_event_after_a_read(read: Read) {
    let (mut driver, handle, _) = driver();
    let (source, pipe) = source(&handle, Ready::READABLE);
    let point = Arc::new(Point::default());
    let driving = thread::spawn({
        let (pipe, point) = (Arc::clone(&pipe), Arc::clone(&point));
        move || {
            pipe.arrive();
            turn_without_wait(&mut driver);
            point.pass();
        }
    });
    let receive = || {
        let received = pipe.receive();
        point.pass();
        received
    };
    let received = read(&source, &receive);
    join(driving);
    let received = received.or_else(|_| source.try_io(Direction::Read, || pipe.receive()));
    assert_eq!(received.ok(), Some(1), "a newer event was erased");
}

#[test]
fn an_event_after_a_read_that_would_block_is_kept_by_try_io() {
    model("try_io × event", || {
        an_event_after_a_read(|source, receive| source.try_io(Direction::Read, receive));
    });
}

#[test]
fn an_event_after_a_read_that_would_block_is_kept_by_poll_io() {
    model("poll_io × event", || {
        an_event_after_a_read(|source, receive| {
            let mut cx = Context::from_waker(Waker::noop());
            match source.poll_io(&mut cx, Direction::Read, receive) {
                Poll::Ready(result) => result,
                Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
            }
        });
    });
}

#[test]
fn an_event_after_a_read_that_would_block_is_kept_by_async_io() {
    model("async_io × event", || {
        an_event_after_a_read(|source, receive| {
            let mut cx = Context::from_waker(Waker::noop());
            match pin!(source.transfer(Direction::Read, 8, receive)).poll(&mut cx) {
                Poll::Ready(result) => result,
                Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
            }
        });
    });
}

/// Control: a reader that leaves a byte and says that it would block. The kernel does not report an
/// edge twice.
#[test]
#[should_panic(expected = "a byte is left, and no event will come")]
fn control_an_edge_is_reported_once() {
    model("control: a reader that leaves a byte", || {
        let (mut driver, handle, _) = driver();
        let (source, pipe) = source(&handle, Ready::EMPTY);
        let peer = thread::spawn({
            let pipe = Arc::clone(&pipe);
            move || {
                pipe.arrive();
                pipe.arrive();
            }
        });
        turn_without_wait(&mut driver);
        let _ = source.try_io(Direction::Read, || {
            pipe.bytes.fetch_sub(1, Ordering::Relaxed);
            Err::<(), _>(io::ErrorKind::WouldBlock.into())
        });
        join(peer);
        turn_without_wait(&mut driver);
        let ready = source.try_io(Direction::Read, || Ok(())).is_ok();
        assert!(
            ready || pipe.pending() == 0,
            "a byte is left, and no event will come"
        );
    });
}

/// Race: two threads publish work and unpark the driver, which checks for work after every wait.
/// Failure: the driver sleeps although there is work, because the second unpark relied on a write
/// that was consumed.
#[test]
fn unparks_meet_a_wait_and_its_acknowledgement() {
    model("unpark × unpark × wait", || {
        let (mut driver, handle, kernel) = driver();
        let work = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
        let threads = [0, 1].map(|index| {
            let (handle, work) = (handle.clone(), Arc::clone(&work));
            thread::spawn(move || {
                work[index].store(true, Ordering::Relaxed);
                handle.unpark();
            })
        });
        let mut turns = 0;
        while !work.iter().all(|work| work.load(Ordering::Relaxed)) {
            turns += usize::from(turn(&mut driver, None).unparked);
        }
        threads.into_iter().for_each(join);
        let wakes = kernel.wakes();
        assert!((1..=2).contains(&wakes) && turns <= wakes);
    });
}

/// Race: two unparks of a driver that does not wait. Failure: more than one system call, or more
/// than one wait that ends.
#[test]
fn two_unparks_take_one_system_call() {
    model("unpark × unpark", || {
        let (mut driver, handle, kernel) = driver();
        let other = thread::spawn({
            let handle = handle.clone();
            move || handle.unpark()
        });
        handle.unpark();
        join(other);
        assert_eq!(kernel.wakes(), 1);
        assert!(turn(&mut driver, None).unparked);
        assert!(!turn_without_wait(&mut driver).unparked);
    });
}

/// Race: an unpark against a wait whose timeout elapses at some moment. Failure: a second wait that
/// does not end, or an unpark that ends two waits.
#[test]
fn an_unpark_is_not_swallowed_by_a_limit() {
    model("unpark × wait with a limit × the clock", || {
        let (mut driver, handle, kernel) = driver();
        let clock = thread::spawn(move || kernel.let_time_pass());
        let unparker = thread::spawn(move || handle.unpark());
        let first = turn(&mut driver, Some(LIMIT));
        assert!(first.timer || first.unparked);
        if !first.unparked {
            let second = turn(&mut driver, None);
            assert!(second.unparked);
        }
        join(unparker);
        join(clock);
        assert!(
            !turn_without_wait(&mut driver).unparked,
            "one unpark ended two waits"
        );
        assert_eq!(driver.timer_settings(), 1);
    });
}

/// Race: the clock against two waits with a timeout. Failure: a wait relies on a timer whose event
/// was consumed.
#[test]
fn a_limit_that_is_out_ends_one_wait() {
    model(
        "wait with a limit × wait with a limit × the clock",
        || {
            let (mut driver, _handle, kernel) = driver();
            let clock = thread::spawn({
                let kernel = kernel.clone();
                move || kernel.let_time_pass()
            });
            for settings in 1..=2 {
                assert!(turn(&mut driver, Some(LIMIT)).timer);
                assert_eq!(driver.timer_settings(), settings);
            }
            join(clock);
            assert!(!turn_without_wait(&mut driver).timer);
            assert_eq!(kernel.timer_settings(), 2);
        },
    );
}

/// Race: a timed wake-up, its time, and a wait without a timeout. Failure: the wait does not end.
#[test]
fn a_late_unpark_ends_a_wait_when_its_time_is_out() {
    model("timed wake-up × wait × the clock", || {
        let (mut driver, handle, kernel) = driver();
        let work = Arc::new(AtomicBool::new(false));
        let unparker = thread::spawn({
            let (work, handle) = (Arc::clone(&work), handle.clone());
            move || {
                work.store(true, Ordering::Relaxed);
                handle.unpark_after(LIMIT);
            }
        });
        let clock = thread::spawn({
            let kernel = kernel.clone();
            move || kernel.let_time_pass()
        });
        let report = turn(&mut driver, None);
        assert!(report.timer && work.load(Ordering::Relaxed));
        join(unparker);
        join(clock);
        assert_eq!((kernel.wakes(), kernel.timer_settings()), (0, 1));
        assert_eq!(handle.wake_timer_settings(), 1);
    });
}

/// Race: a callback is registered with a source that is ready already, while the driver waits or is
/// about to, and while another edge arrives. Failure: the driver sleeps, or bytes are left.
fn kick_against_wait(another_edge: bool, unpark: bool) {
    let (mut driver, handle, _) = driver();
    let (source, pipe) = source(&handle, Ready::EMPTY);
    pipe.arrive();
    assert_eq!(turn_without_wait(&mut driver).events, 1);
    if unpark {
        // The wake-up for the callback relies on this write until the driver has acknowledged it.
        handle.unpark();
    }
    let registering = thread::spawn({
        let pipe = Arc::clone(&pipe);
        move || {
            let call = move |_: Ready| drop(pipe.receive());
            source.on_ready(Interest::READABLE, call).unwrap();
            source
        }
    });
    let peer = another_edge.then(|| {
        let pipe = Arc::clone(&pipe);
        thread::spawn(move || pipe.arrive())
    });
    let mut calls = 0;
    while calls == 0 {
        calls += turn(&mut driver, None).callbacks;
    }
    let _source = join(registering);
    peer.map(join);
    calls += turn_without_wait(&mut driver).callbacks;
    assert!(calls <= 1 + 2 * usize::from(another_edge));
    assert_eq!(pipe.pending(), 0, "an event was not called for");
}

#[test]
fn a_callback_of_a_ready_source_ends_the_wait() {
    model("kick × wait", || kick_against_wait(false, false));
}

#[test]
fn a_callback_of_a_ready_source_meets_another_edge() {
    model("kick × wait × event", || kick_against_wait(true, false));
}

#[test]
fn a_callback_of_a_ready_source_meets_an_unpark() {
    model("kick × unpark × wait", || kick_against_wait(false, true));
}

/// Asserts that a new source got no event, and that nothing is left of the old one.
fn assert_no_event(driver: &mut IoDriver, handle: &IoHandle, new: &ModelSource, pipe: &Pipe) {
    let notified = new.try_io(Direction::Read, || Ok(()));
    assert!(notified.is_err(), "an event reached the wrong source");
    assert_eq!(sources(handle), 1, "a dropped source is in the table");
    // The new source has a place of its own.
    pipe.arrive();
    assert_eq!(turn_without_wait(driver).events, 1);
    assert_eq!(new.try_io(Direction::Read, || pipe.receive()).unwrap(), 1);
}

/// Race: a source is dropped while an event of it is raised, fetched, looked up and called for, and
/// a new source is opened. Failure: the new source gets the event, loom reports a race on what the
/// old callback owns, or that is dropped twice or never.
#[test]
fn an_event_meets_the_end_of_its_source() {
    model("free × event × register", || {
        let (mut driver, handle, _) = driver();
        let (old, old_pipe) = source(&handle, Ready::EMPTY);
        let (owned, watch) = DropTracker::new();
        let call = move |_: Ready| owned.touch();
        let callback = old.on_ready(Interest::READABLE, call).unwrap();
        let peer = thread::spawn(move || old_pipe.peer.raise(Ready::READABLE));
        let driving = thread::spawn(move || {
            let events = turn_without_wait(&mut driver).events;
            (driver, events)
        });
        drop(old);
        let (new, pipe) = source(&handle, Ready::EMPTY);
        join(peer);
        let (mut driver, events) = join(driving);
        assert!(events + turn_without_wait(&mut driver).events <= 1);
        assert!(
            callback.is_cancelled(),
            "it waits for a source that is gone"
        );
        assert!(watch.is_dropped(), "a dropped source's callback is left");
        assert_no_event(&mut driver, &handle, &new, &pipe);
    });
}

/// How a reused descriptor gets a late event.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Late {
    /// It was fetched, behind another event of the batch.
    Fetched,
    /// The same, and the descriptor is not closed but returned, and registered again.
    Moved,
    /// The kernel kept it over the deregistration, so that it arrives one batch later.
    Kept,
}

/// Race: a source is deregistered while the driver looks up a batch, and a new one with the same
/// descriptor number is registered, in the same slot if the driver has released it. Failure: the
/// new source gets the event. The two threads run one after the other, so few preemptions suffice.
fn reuse_against_late_event(late: Late) {
    let (mut driver, handle, kernel) = driver();
    let (old, old_pipe) = source(&handle, Ready::EMPTY);
    let (bytes, peer) = (AtomicUsize::new(0), old_pipe.peer.clone());
    let old_pipe_again = Arc::new(Pipe { bytes, peer });
    handle.unpark();
    if late == Late::Kept {
        kernel.report_late();
    } else {
        old_pipe.peer.raise(Ready::READABLE);
    }
    let freeing = thread::spawn(move || {
        if late == Late::Kept {
            old_pipe.peer.raise(Ready::READABLE);
        }
        let old = Arc::try_unwrap(old).unwrap();
        let descriptor = old.into_descriptor().unwrap();
        (late == Late::Moved).then_some(descriptor)
    });
    let registering = thread::spawn({
        let handle = handle.clone();
        move || match join(freeing) {
            None => source(&handle, Ready::EMPTY),
            Some(descriptor) => {
                let _entered = handle.enter();
                let source = ModelSource::new(descriptor, Ready::EMPTY).unwrap();
                (Arc::new(source), old_pipe_again)
            }
        }
    });
    let events = turn_without_wait(&mut driver).events + turn_without_wait(&mut driver).events;
    let (new, pipe) = join(registering);
    assert!(events + turn_without_wait(&mut driver).events <= 1);
    assert_no_event(&mut driver, &handle, &new, &pipe);
}

#[test]
fn a_late_event_of_a_reused_descriptor_finds_no_waiter() {
    model("reused descriptor × late event", || {
        reuse_against_late_event(Late::Fetched)
    });
}

#[test]
fn a_late_event_of_a_descriptor_that_moves_finds_no_waiter() {
    model("descriptor registered again × late event", || {
        reuse_against_late_event(Late::Moved)
    });
}

/// The kernel breaks its own rule: only the generation rejects the event.
#[test]
fn a_late_event_that_the_system_has_kept_finds_no_waiter() {
    model("reused descriptor × event kept by the system", || {
        reuse_against_late_event(Late::Kept)
    });
}

/// Control: there is such a late event at all. Code that identifies sources by the descriptor would
/// take it for the new source's.
#[test]
#[should_panic(expected = "an event came for a descriptor whose source has no bytes")]
fn control_a_late_event_is_there() {
    model("control: sources known by their descriptors", || {
        let (mut driver, handle, kernel) = driver();
        let (old, old_pipe) = source(&handle, Ready::EMPTY);
        old_pipe.arrive();
        let dropped = Arc::new(AtomicBool::new(false));
        let driving = thread::spawn({
            let dropped = Arc::clone(&dropped);
            move || {
                let mut batch = Batch::default();
                driver.wait(Some(Duration::ZERO), &mut batch).unwrap();
                let is_late = dropped.load(Ordering::Acquire);
                let events = batch.dispatch().events;
                assert!(
                    events == 0 || !is_late,
                    "an event came for a descriptor whose source has no bytes"
                );
            }
        });
        let number = Arc::try_unwrap(old)
            .unwrap()
            .into_descriptor()
            .unwrap()
            .number();
        assert_eq!(kernel.open().0.number(), number);
        dropped.store(true, Ordering::Release);
        join(driving);
    });
}

/// Race: an event is raised before, while and after its source is registered. Failure: a task that
/// waits forever.
#[test]
fn an_event_meets_the_registration_of_its_source() {
    model("register × event × wait", || {
        let (mut driver, handle, kernel) = driver();
        let (descriptor, peer) = kernel.open();
        let task = thread::spawn(move || {
            let _entered = handle.enter();
            let source = ModelSource::new(descriptor, Ready::EMPTY).unwrap();
            let ready = block_on(source.ready(Interest::READABLE)).unwrap();
            assert!(ready.is_readable());
        });
        let peer = thread::spawn(move || peer.raise(Ready::READABLE));
        assert_eq!(turn(&mut driver, None).events, 1);
        join(peer);
        join(task);
    });
}

/// Race: a reader in the list and a writer in the slot, and an event for each direction. Failure: a
/// deadlock of either.
#[test]
fn both_directions_are_reported() {
    model("both directions × wait", || {
        let (mut driver, handle, _) = driver();
        let (source, pipe) = source(&handle, Ready::EMPTY);
        let reader = thread::spawn({
            let source = Arc::clone(&source);
            move || block_on(source.ready(Interest::READABLE)).unwrap()
        });
        let writer = thread::spawn(move || {
            block_on(poll_fn(|cx| source.poll_ready(cx, Direction::Write))).unwrap();
        });
        pipe.peer.raise(Ready::WRITABLE);
        turn(&mut driver, None);
        pipe.peer.raise(Ready::READABLE);
        turn(&mut driver, None);
        assert!(join(reader).is_readable());
        join(writer);
    });
}

/// Race: the driver ends while one task waits, and another registers and waits. Failure: a
/// deadlock.
#[test]
fn shutting_down_meets_a_registration_and_a_waiter() {
    model("shutdown × register × wait", || {
        let (mut driver, handle, kernel) = driver();
        let (source, _pipe) = source(&handle, Ready::EMPTY);
        let waiting =
            thread::spawn(move || block_on(poll_fn(|cx| source.poll_ready(cx, Direction::Read))));
        let registering = thread::spawn(move || {
            let _entered = handle.enter();
            let (descriptor, _peer) = kernel.open();
            let source = ModelSource::new(descriptor, Ready::EMPTY)?;
            block_on(source.ready(Interest::READABLE)).map(drop)
        });
        assert!(driver.shutdown().panics.is_empty());
        assert!(join(waiting).is_err());
        assert!(join(registering).is_err());
    });
}

/// Race: a callback is registered with a ready source, which queues an initial call, while the
/// driver ends. Failure: a callback that was rejected or cancelled keeps its value, or a callback
/// is accepted after the end.
#[test]
fn shutting_down_meets_an_initial_callback() {
    model("shutdown × kick", || {
        let (mut driver, handle, _) = driver();
        let (source, _pipe) = source(&handle, Ready::READABLE);
        let (owned, watch) = DropTracker::new();
        let registering = thread::spawn(move || {
            let call = move |_: Ready| owned.touch();
            let registered = source.on_ready(Interest::READABLE, call);
            (source, registered)
        });
        turn_without_wait(&mut driver);
        driver.shutdown();
        let (_source, registered) = join(registering);
        if let Ok(callback) = registered {
            assert!(
                callback.is_cancelled(),
                "it waits for a driver that is gone"
            );
        }
        assert!(watch.is_dropped(), "a callback's value is left");
        // A call that was queued too late has no effect.
        assert_eq!(turn_without_wait(&mut driver).panics.len(), 0);
    });
}

/// Race: a thread dispatches a batch after it handed the driver to another thread, which shuts it
/// down. Failure: a callback that is used after its drop, or never dropped.
#[test]
fn shutting_down_meets_a_batch() {
    model("dispatch × shutdown", || {
        let (driver, handle, _) = driver();
        let driver = Arc::new(Mutex::new(driver));
        let (source, pipe) = source(&handle, Ready::EMPTY);
        let (owned, watch) = DropTracker::new();
        let call = move |_: Ready| owned.touch();
        source.on_ready(Interest::READABLE, call).unwrap();
        pipe.arrive();
        let other = thread::spawn({
            let driver = Arc::clone(&driver);
            move || turn_and_hand_over(&driver)
        });
        assert!(driver.lock().shutdown().panics.is_empty());
        join(other);
        assert!(watch.is_dropped(), "a callback's value is left");
        assert!(source.try_io(Direction::Write, || Ok(())).is_err());
    });
}

/// Race: two threads own the driver one after the other, and each dispatches its batch after it
/// released the driver, while a reader waits. Failure: the reader sleeps forever.
#[test]
fn a_reader_is_notified_across_a_hand_over() {
    model("handoff × reader", || {
        let (driver, handle, _) = driver();
        let driver = Arc::new(Mutex::new(driver));
        let (source, pipe) = source(&handle, Ready::EMPTY);
        pipe.arrive();
        let first = thread::spawn({
            let driver = Arc::clone(&driver);
            move || turn_and_hand_over(&driver)
        });
        let second = thread::spawn({
            let (driver, pipe) = (Arc::clone(&driver), Arc::clone(&pipe));
            move || {
                pipe.arrive();
                turn_and_hand_over(&driver);
            }
        });
        let mut count = 0;
        while count < 2 {
            count += block_on(source.async_io(Direction::Read, || pipe.receive())).unwrap();
        }
        join(first);
        join(second);
    });
}

/// Race: a worker hands the driver over by unparking another worker, and calls a callback while the
/// other fetches a newer event of the same source. Failure: bytes are left, because the second call
/// found the first one running and was lost.
#[test]
fn a_callback_is_called_again_across_a_hand_over() {
    model("handoff by a parker × callback", || {
        let (driver, handle, _) = driver();
        let driver = Arc::new(Mutex::new(driver));
        let parker = Arc::new(Parker::new());
        let (source, pipe) = source(&handle, Ready::EMPTY);
        let receiving = Arc::clone(&pipe);
        let call = move |_: Ready| drop(receiving.receive());
        source.on_ready(Interest::READABLE, call).unwrap();
        let successor = thread::spawn({
            let (driver, parker) = (Arc::clone(&driver), Arc::clone(&parker));
            move || {
                parker.park(None);
                turn_and_hand_over(&driver);
            }
        });
        let predecessor = thread::spawn({
            let driver = Arc::clone(&driver);
            move || {
                let mut batch = Batch::default();
                driver.lock().wait(None, &mut batch).unwrap();
                parker.unpark(|| unreachable!("it is not in the driver"));
                assert!(batch.dispatch().panics.is_empty());
            }
        });
        pipe.arrive();
        pipe.arrive();
        join(predecessor);
        join(successor);
        turn_and_hand_over(&driver);
        assert_eq!(pipe.pending(), 0, "an event was not called for");
    });
}

/// Race: a worker waits in the driver through its parker, while another thread pushes work and
/// unparks it, and an event arrives. Failure: a deadlock.
#[test]
fn a_parker_wakes_its_worker_in_the_driver() {
    model("unpark × event × parker in the driver", || {
        let (mut driver, handle, _) = driver();
        let (source, pipe) = source(&handle, Ready::EMPTY);
        let receiving = Arc::clone(&pipe);
        let call = move |_: Ready| drop(receiving.receive());
        source.on_ready(Interest::READABLE, call).unwrap();
        let shared = Arc::new((Parker::new(), AtomicBool::new(false)));
        let pusher = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                let (parker, pushed) = &*shared;
                pushed.store(true, Ordering::Relaxed);
                parker.unpark(|| handle.unpark());
            }
        });
        let peer = thread::spawn(move || pipe.arrive());
        let (parker, pushed) = &*shared;
        let (mut called, mut ran) = (0, false);
        while called == 0 || !ran {
            let mut batch = Batch::default();
            if parker.enter_driver() {
                driver.wait(None, &mut batch).unwrap();
                parker.leave_driver();
            }
            called += batch.dispatch().callbacks;
            ran |= pushed.load(Ordering::Relaxed);
        }
        join(pusher);
        join(peer);
        assert_eq!(called, 1);
        drop(source);
    });
}

/// A pool with one thread for each job.
fn threads(job: Job) -> io::Result<()> {
    thread::spawn(job);
    Ok(())
}

fn look_up(handle: &IoHandle) -> impl Future<Output = io::Result<Vec<std::net::SocketAddr>>> {
    let handle = handle.clone();
    async move {
        let _entered = handle.enter();
        lookup("127.0.0.1", 80).await
    }
}

/// Race: the answer arrives before, while and after the task polls. Failure: a deadlock.
#[test]
fn an_answer_meets_a_poll() {
    model("look-up: answer × poll", || {
        let (_driver, handle, _) = driver_with(threads);
        let found = block_on(look_up(&handle)).unwrap();
        assert_eq!(found, [([127, 0, 0, 1], 80).into()]);
    });
}

/// Race: the task polls a second time, with another waker. Failure: a deadlock, because the answer
/// woke the first waker.
#[test]
fn an_answer_meets_another_waker() {
    model("look-up: answer × poll × poll with another waker", || {
        let (_driver, handle, _) = driver_with(threads);
        let mut looking = pin!(look_up(&handle));
        if TestWaker::new().poll(&mut looking).is_pending() {
            block_on(looking).unwrap();
        }
    });
}

/// Race: the future is dropped while the answer arrives. Failure: a waker is left.
#[test]
fn an_answer_meets_the_end_of_the_future() {
    model("look-up: answer × future dropped", || {
        let answering = Arc::new(Mutex::new(None));
        let (_driver, handle, _) = driver_with({
            let answering = Arc::clone(&answering);
            move |job| {
                *answering.lock() = Some(thread::spawn(job));
                Ok(())
            }
        });
        let (owned, watch) = DropTracker::new();
        let waker = Waker::from(StdArc::new(OwningWaker(owned)));
        {
            let mut looking = pin!(look_up(&handle));
            let _ = looking.as_mut().poll(&mut Context::from_waker(&waker));
        }
        let answering = answering.lock().take();
        join(answering.unwrap());
        // After the other thread has finished: loom does not see the counts of `std`'s `Arc`.
        drop(waker);
        assert!(watch.is_dropped(), "a waker is left");
    });
}

/// A waker that is used when it is woken, and whose drop is observed.
struct OwningWaker(DropTracker);

impl std::task::Wake for OwningWaker {
    fn wake(self: StdArc<Self>) {
        self.0.touch();
    }
}

/// Race: the pool drops the closure on a thread of its own. Failure: a deadlock.
#[test]
fn a_closure_that_is_dropped_meets_a_poll() {
    model("look-up: closure dropped × poll", || {
        let (_driver, handle, _) = driver_with(|job| {
            thread::spawn(move || drop(job));
            Ok(())
        });
        assert!(block_on(look_up(&handle)).is_err());
    });
}

/// The pool rejects the job: its reason is returned, and no thread waits. (The only race is with a
/// pool that drops the closure later.)
#[test]
fn a_pool_that_rejects_is_an_error() {
    model("look-up: rejected × closure dropped", || {
        let (_driver, handle, _) = driver_with(|job| {
            thread::spawn(move || drop(job));
            Err(io::ErrorKind::QuotaExceeded.into())
        });
        let error = block_on(look_up(&handle)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::QuotaExceeded);
    });
}
