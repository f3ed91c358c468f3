//! The driver: waits for the operating system's events and tells whoever waits for them.
//!
//! Owns the system's `Poll`, the buffer of events and the timer. One thread at a time has it. It must not
//! know tasks: it wakes wakers, each in the frame that registered it, and calls callbacks, each in
//! its own frame. What a wait found is handed out as a [`Batch`], which is called when the driver has
//! been given up, and holds no lock.

use std::io;
use std::time::Duration;

use framewise_context::{CaughtPanic, Frame, FramedWaker, catch_unwind};
use framewise_sync::{Arc, Mutex};

use crate::callback::CallbackEntry;
use crate::handle::{BlockingSpawner, IoHandle, IoShared, Sources};
use crate::ready::Ready;
use crate::scheduled_io::Call;
use crate::slab::{Slab, SourceKey};
use crate::system;
#[cfg(target_os = "linux")]
use crate::timerfd::{LateUnpark, TimerFd};
use crate::unpark::Unpark;

/// How many events one turn fetches.
const EVENTS: usize = 1024;

/// How many events are looked up under one hold of the sources' lock. In a model each gets a hold of its
/// own, so that what may happen between two holds may happen between any two events.
const EVENTS_A_LOCK: usize = if cfg!(any(framewise_loom, framewise_shuttle)) {
    1
} else {
    64
};

/// Waits for events and dispatches them.
///
/// Whoever drops it [shuts it down](Self::shutdown). It does not survive a `fork`: the child would
/// share its descriptors with the parent, and events would go to either of them. Make a runtime
/// after forking, not before.
pub struct IoDriver {
    poll: system::Poll,
    events: system::Events,
    /// `None` where the system refuses one: waits then end on whole milliseconds.
    #[cfg(target_os = "linux")]
    timer: Option<TimerFd>,
    shared: Arc<IoShared>,
    /// The batch of [`turn`](Self::turn), kept for its buffers.
    batch: Batch,
}

/// What a wait of the driver found: wakers and callbacks that are still to be called.
///
/// It is apart from the driver so that a thread can give the driver up before it runs foreign code.
/// Two batches may be dispatched at once: a callback that is being called is then called again by
/// the same thread. Empty between its uses; it keeps its buffers.
#[derive(Default)]
#[must_use = "whoever is in a batch waits until it is dispatched"]
pub struct Batch {
    wakers: Vec<FramedWaker>,
    calls: Vec<Call>,
    report: TurnReport,
}

impl Batch {
    /// Whether there is nobody to call.
    pub fn is_empty(&self) -> bool {
        self.wakers.is_empty() && self.calls.is_empty()
    }

    /// Calls every waker, then every callback: a slow one delays nobody who waits.
    ///
    /// # Frame
    ///
    /// Each is called in the frame in which it was registered.
    pub fn dispatch(&mut self) -> TurnReport {
        let mut report = std::mem::take(&mut self.report);
        if !self.is_empty() {
            Frame::root().run(|| {
                wake_all(&mut self.wakers, &mut report);
                for (entry, ready) in self.calls.drain(..) {
                    report.callbacks += 1;
                    report.panics.extend(entry.call(ready).err());
                }
            });
        }
        report
    }
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batch")
            .field("wakers", &self.wakers.len())
            .field("callbacks", &self.calls.len())
            .finish_non_exhaustive()
    }
}

/// What a turn of the driver has seen and done.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct TurnReport {
    /// How many events of sources came.
    pub events: usize,
    /// How many wakers were called.
    pub woken: usize,
    /// How many readiness callbacks were called.
    pub callbacks: usize,
    /// Whether somebody had asked for the wait to end.
    pub unparked: bool,
    /// Whether the driver's timer ended the wait, or a [late unpark](IoHandle::unpark_after).
    pub timer: bool,
    /// What callbacks and foreign wakers panicked with. The driver goes on; the executor reports
    /// them as it reports a panic of a task that nobody joins.
    pub panics: Vec<CaughtPanic>,
}

impl IoDriver {
    /// Makes a driver and the handle to it.
    ///
    /// # Errors
    ///
    /// Fails when the operating system refuses a descriptor.
    pub fn new(blocking: BlockingSpawner) -> io::Result<(IoDriver, IoHandle)> {
        let poll = system::Poll::new()?;
        let waker =
            system::Waker::new(poll.registry(), system::Token(SourceKey::UNPARK.to_token()))?;
        let shared = Arc::new(IoShared {
            registry: poll.registry().try_clone()?,
            sources: Mutex::new(Sources {
                slab: Slab::new(),
                closed: false,
            }),
            unpark: Unpark::new(waker),
            #[cfg(target_os = "linux")]
            late_unpark: LateUnpark::new(poll.registry()).ok(),
            initial_callbacks: Mutex::new(Vec::new()),
            blocking,
        });
        let driver = IoDriver {
            #[cfg(target_os = "linux")]
            timer: TimerFd::new(poll.registry()).ok(),
            poll,
            events: system::Events::with_capacity(EVENTS),
            shared: Arc::clone(&shared),
            batch: Batch::default(),
        };
        Ok((driver, IoHandle::new(shared)))
    }

    /// Waits for events for `timeout` at most (`None`: until one comes or the handle
    /// [unparks](IoHandle::unpark) the driver; zero: not at all), sets the readiness of the sources
    /// that they concern, and adds whoever waits for it to `batch`. Runs no foreign code.
    ///
    /// It may return early, and does so when a signal interrupts it.
    ///
    /// # Errors
    ///
    /// Fails when the operating system does; nothing is lost by that.
    pub fn wait(&mut self, timeout: Option<Duration>, batch: &mut Batch) -> io::Result<()> {
        let timeout = self.arm(timeout)?;
        match self.poll.poll(&mut self.events, timeout) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(error),
        }
        self.collect(batch);
        Ok(())
    }

    /// As [`wait`](Self::wait), and calls whom it found.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    ///
    /// # Frame
    ///
    /// Each waker and each callback is called in the frame in which it was registered.
    pub fn turn(&mut self, timeout: Option<Duration>) -> io::Result<TurnReport> {
        let mut batch = std::mem::take(&mut self.batch);
        let waited = self.wait(timeout, &mut batch);
        let report = batch.dispatch();
        self.batch = batch;
        waited.map(|()| report)
    }

    /// Sets the timer if it is needed; answers what the system has to wait for.
    #[cfg(target_os = "linux")]
    fn arm(&mut self, timeout: Option<Duration>) -> io::Result<Option<Duration>> {
        match (timeout, &mut self.timer) {
            (Some(timeout), Some(timer)) if !timeout.is_zero() => {
                timer.ensure(timeout)?;
                Ok(None)
            }
            _ => Ok(timeout),
        }
    }

    /// Time-outs are as fine as the system's.
    #[cfg(not(target_os = "linux"))]
    fn arm(&mut self, timeout: Option<Duration>) -> io::Result<Option<Duration>> {
        Ok(timeout)
    }

    /// Sets the readiness of every source that has an event.
    fn collect(&mut self, batch: &mut Batch) {
        let report = &mut batch.report;
        let mut events = self.events.iter().peekable();
        loop {
            let mut sources = self.shared.sources.lock();
            for event in events.by_ref().take(EVENTS_A_LOCK) {
                match SourceKey::from_token(event.token().0) {
                    SourceKey::UNPARK => report.unparked = true,
                    SourceKey::LATE_UNPARK => report.timer = true,
                    SourceKey::TIMER => {
                        report.timer = true;
                        #[cfg(target_os = "linux")]
                        if let Some(timer) = &mut self.timer {
                            timer.expired();
                        }
                    }
                    key => {
                        report.events += 1;
                        // A source that has been dropped since has nobody to tell.
                        if let Some(state) = sources.slab.get(key) {
                            state.set(ready_of(event), &mut batch.wakers, &mut batch.calls);
                        }
                    }
                }
            }
            if events.peek().is_none() {
                // Every event has found its source or nobody, and the next are not fetched yet: see
                // `crate::slab`.
                sources.slab.release();
                break;
            }
        }
        if report.unparked {
            self.shared.unpark.acknowledge();
            batch
                .calls
                .append(&mut self.shared.initial_callbacks.lock());
        }
    }

    /// Shuts the driver down: every wait, now or later, ends with an error, and so does every later
    /// registration. Callbacks are dropped, each in its frame.
    ///
    /// Calling it again does nothing.
    pub fn shutdown(&mut self) -> TurnReport {
        self.begin_shutdown().finish()
    }

    /// The part of [`shutdown`](Self::shutdown) that runs no user code: the driver can be given up before
    /// the wakers are called.
    pub fn begin_shutdown(&mut self) -> EndedWaits {
        let mut ended = EndedWaits::default();
        {
            let mut sources = self.shared.sources.lock();
            if sources.closed {
                return ended;
            }
            sources.closed = true;
            for state in sources.slab.iter() {
                state.readiness().set_shutdown(&mut ended.wakers);
                ended.callbacks.extend(state.take_callbacks());
            }
        }
        ended.initial_callbacks = std::mem::take(&mut *self.shared.initial_callbacks.lock());
        ended
    }

    /// How often the driver's timer has been set, a system call each: for tests and tools.
    #[doc(hidden)]
    pub fn timer_settings(&self) -> u64 {
        #[cfg(target_os = "linux")]
        return self.timer.as_ref().map_or(0, TimerFd::settings);
        #[cfg(not(target_os = "linux"))]
        0
    }
}

/// The waits and callbacks that a shutdown of the driver ended, and that are not notified yet; made by
/// [`IoDriver::begin_shutdown`]. Dropping it notifies nothing.
#[derive(Default)]
#[must_use = "the waiters wait until `finish`"]
pub struct EndedWaits {
    wakers: Vec<FramedWaker>,
    callbacks: Vec<Arc<CallbackEntry>>,
    initial_callbacks: Vec<Call>,
}

impl EndedWaits {
    /// Calls every waker and drops every callback.
    ///
    /// # Frame
    ///
    /// Each waker is called, and each callback dropped, in the frame in which it was registered.
    pub fn finish(mut self) -> TurnReport {
        Frame::root().run(|| {
            let mut report = TurnReport::default();
            wake_all(&mut self.wakers, &mut report);
            for entry in self.callbacks.drain(..) {
                report.panics.extend(catch_unwind(|| entry.cancel()).err());
            }
            drop(std::mem::take(&mut self.initial_callbacks));
            report
        })
    }
}

impl std::fmt::Debug for EndedWaits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EndedWaits")
            .field("wakers", &self.wakers.len())
            .field("callbacks", &self.callbacks.len())
            .finish_non_exhaustive()
    }
}

impl Drop for IoDriver {
    fn drop(&mut self) {
        self.shutdown();
    }
}

impl std::fmt::Debug for IoDriver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IoDriver").finish_non_exhaustive()
    }
}

/// Calls each waker in its frame. A waker that panics hinders none of the others.
fn wake_all(wakers: &mut Vec<FramedWaker>, report: &mut TurnReport) {
    report.woken += wakers.len();
    let mut wakers = wakers.drain(..);
    // One catch for all of them, and another for what is left when one panics.
    while wakers.len() > 0 {
        let woken = catch_unwind(|| wakers.by_ref().for_each(FramedWaker::wake));
        report.panics.extend(woken.err());
    }
}

/// What the system says, in our words.
fn ready_of(event: &system::Event) -> Ready {
    let facts = [
        (event.is_readable(), Ready::READABLE),
        (event.is_writable(), Ready::WRITABLE),
        (event.is_read_closed(), Ready::READ_CLOSED),
        (event.is_write_closed(), Ready::WRITE_CLOSED),
        (event.is_error(), Ready::ERROR),
        (event.is_priority(), Ready::PRIORITY),
    ];
    let mut ready = Ready::EMPTY;
    for (holds, fact) in facts {
        if holds {
            ready |= fact;
        }
    }
    ready
}
