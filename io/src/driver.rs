//! The driver: waits for the operating system's events and notifies the waiters of their sources.
//!
//! Owns the system's `Poll`, the buffer of events and the timer. One thread at a time has it, the
//! driver owner. The file must not know tasks: it wakes wakers, each in the frame that registered
//! it, and calls callbacks, each in its own frame. A wait returns the wakers and callbacks that it
//! notifies as a [`Batch`], so that the owner can release the driver before it calls them. A batch
//! is called with no lock held. Underneath is mio.

use std::io;
use std::sync::OnceLock;
use std::time::Duration;

use framewise_context::{CaughtPanic, Frame, catch_unwind};
use framewise_sync::{Arc, Mutex};

use crate::callback::CallbackEntry;
use crate::handle::{BlockingSpawner, IoHandle, IoShared, Sources};
use crate::ready::Ready;
use crate::scheduled_io::Call;
use crate::scheduled_io::controlled::ControlledWaker;
use crate::slab::{Slab, SourceKey};
use crate::system;
#[cfg(target_os = "linux")]
use crate::timerfd::{TimerFd, WakeTimer};
use crate::unpark::Unpark;

/// The maximum number of events that one turn fetches.
const EVENTS: usize = 1024;

/// The number of events that are looked up under one hold of the sources' lock. In a model it is
/// one, so that whatever can happen between two holds can happen between any two events.
const EVENTS_A_LOCK: usize = if cfg!(any(framewise_loom, framewise_shuttle)) {
    1
} else {
    64
};

/// Waits for events and dispatches them.
///
/// Dropping it [shuts it down](Self::shutdown). It does not survive a `fork`: the child would
/// share its descriptors with the parent, and events would go to either of them. Create a runtime
/// after forking, not before.
pub struct IoDriver {
    poll: system::Poll,
    events: system::Events,
    /// `None` if the system provides none. Waits then end on whole milliseconds.
    #[cfg(target_os = "linux")]
    timer: Option<TimerFd>,
    shared: Arc<IoShared>,
    /// The batch of [`turn`](Self::turn), kept to reuse its buffers.
    batch: Batch,
}

/// The wakers and callbacks that a wait of the driver notifies, and that are not called yet.
///
/// It is separate from the driver so that a thread can release the driver before it runs user code.
/// Two batches may be dispatched at once. If both contain a callback, the thread that is running
/// the callback calls it again. A batch is empty between its uses and keeps its buffers.
#[derive(Default)]
#[must_use = "waiters in a batch wait until it is dispatched"]
pub struct Batch {
    wakers: Vec<ControlledWaker>,
    calls: Vec<Call>,
    report: TurnReport,
}

impl Batch {
    /// Returns `true` if there are no wakers and no callbacks to call.
    pub fn is_empty(&self) -> bool {
        self.wakers.is_empty() && self.calls.is_empty()
    }

    /// Returns `true` if the driver found no event and was not unparked. For tools of tests.
    #[doc(hidden)]
    pub fn found_nothing(&self) -> bool {
        self.report.events == 0 && !self.report.unparked && self.is_empty()
    }

    /// Calls all wakers, then all callbacks, so a slow callback delays no waiter.
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

/// What a turn of the driver observed and did.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct TurnReport {
    /// The number of events of sources.
    pub events: usize,
    /// The number of wakers that were called.
    pub woken: usize,
    /// The number of calls of readiness callbacks.
    pub callbacks: usize,
    /// `true` if a thread [unparked](IoHandle::unpark) the driver.
    pub unparked: bool,
    /// `true` if the driver's timer ended the wait, or [`IoHandle::unpark_after`].
    pub timer: bool,
    /// The panics of callbacks and of user-supplied wakers. The driver continues; the executor
    /// reports them like the panic of a task without a joiner.
    pub panics: Vec<CaughtPanic>,
}

impl IoDriver {
    /// Creates a driver and a handle to it.
    ///
    /// # Errors
    ///
    /// Fails if the operating system provides no descriptor.
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
            wake_timer: WakeTimer::new(poll.registry()).ok(),
            initial_callbacks: Mutex::new(Vec::new()),
            blocking,
            delay: OnceLock::new(),
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

    /// Waits for events for at most `timeout` (`None`: until one comes or the handle
    /// [unparks](IoHandle::unpark) the driver; zero: not at all). Sets the readiness of their
    /// sources, and adds the wakers and callbacks that this notifies to `batch`. Runs no user code.
    ///
    /// It may return early, for example if a signal interrupts it.
    ///
    /// # Errors
    ///
    /// Fails with the system's error. No event is lost.
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

    /// Like [`wait`](Self::wait), and dispatches the batch.
    ///
    /// # Errors
    ///
    /// See [`wait`](Self::wait).
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

    /// Sets the timer if it is needed. Returns the timeout of the system call.
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

    /// Returns the timeout as it is: the system's resolution is the driver's.
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
                    SourceKey::WAKE_TIMER => report.timer = true,
                    SourceKey::TIMER => {
                        report.timer = true;
                        #[cfg(target_os = "linux")]
                        if let Some(timer) = &mut self.timer {
                            timer.expired();
                        }
                    }
                    key => {
                        report.events += 1;
                        // A source that was dropped in the meantime has no waiters.
                        if let Some(state) = sources.slab.get(key) {
                            state.set(ready_of(event), &mut batch.wakers, &mut batch.calls);
                        }
                    }
                }
            }
            if events.peek().is_none() {
                // All fetched events have been looked up, and no others are fetched yet: see
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

    /// Shuts the driver down: all current and later waits end with an error, and later
    /// registrations fail. Callbacks are dropped, each in its frame.
    ///
    /// Calling it again has no effect.
    pub fn shutdown(&mut self) -> TurnReport {
        self.begin_shutdown().finish()
    }

    /// Does the part of [`shutdown`](Self::shutdown) that runs no user code, so that the caller can
    /// release the driver before the wakers are called.
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

    /// Returns how often the driver's timer was set, a system call each. For tests and tools.
    #[doc(hidden)]
    pub fn timer_settings(&self) -> u64 {
        #[cfg(target_os = "linux")]
        return self.timer.as_ref().map_or(0, TimerFd::settings);
        #[cfg(not(target_os = "linux"))]
        0
    }
}

/// The waits and callbacks that a shutdown of the driver ended, and that are not notified yet;
/// returned by [`IoDriver::begin_shutdown`]. Dropping it notifies nothing.
#[derive(Default)]
#[must_use = "the waiters wait until `finish`"]
pub struct EndedWaits {
    wakers: Vec<ControlledWaker>,
    callbacks: Vec<Arc<CallbackEntry>>,
    initial_callbacks: Vec<Call>,
}

impl EndedWaits {
    /// Calls all wakers and drops all callbacks.
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

/// Calls each waker in its frame, even if others panic.
fn wake_all(wakers: &mut Vec<ControlledWaker>, report: &mut TurnReport) {
    report.woken += wakers.len();
    let mut wakers = wakers.drain(..);
    // One catch for all of them, and after a panic another for the rest.
    while wakers.len() > 0 {
        let woken = catch_unwind(|| wakers.by_ref().for_each(ControlledWaker::wake));
        report.panics.extend(woken.err());
    }
}

/// Translates an event of the system.
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
