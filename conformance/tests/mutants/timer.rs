//! A thread that waits for deadlines.

use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use framewise_conformance::context::{Frame, FramedWaker, catch_unwind};
use framewise_conformance::{BoxFuture, BoxStream, CallbackHandle, Ended, Timers};
use futures::future::{self, Either};
use futures::stream;

use crate::executor::lock;
use crate::fault::Fault;
use crate::join::{HookSlot, Of, Reports};

/// The thread, and the timers that it waits for.
pub(crate) struct TimerThread {
    shared: Arc<Shared>,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
}

struct Shared {
    fault: Fault,
    armed: Mutex<Armed>,
    changed: Condvar,
    /// How panics of callbacks are reported.
    reports: Reports,
    /// The waker that the last fired timer woke, for [`Fault::FiredSleepsKeepTheFrame`].
    fired: Arc<Mutex<Option<SleepWaker>>>,
}

#[derive(Default)]
struct Armed {
    entries: Vec<(Instant, Box<dyn FnOnce() + Send>)>,
    is_closed: bool,
}

impl TimerThread {
    pub(crate) fn start(fault: Fault, hook: HookSlot) -> Self {
        let shared = Arc::new(Shared {
            fault,
            armed: Mutex::default(),
            changed: Condvar::new(),
            reports: Reports {
                fault,
                of: Of::Callback,
                hook,
            },
            fired: Arc::default(),
        });
        let thread = thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.work()
        });
        Self {
            shared,
            thread: Mutex::new(Some(thread)),
        }
    }

    pub(crate) fn close(&self) {
        let left = {
            let mut armed = lock(&self.shared.armed);
            armed.is_closed = true;
            std::mem::take(&mut armed.entries)
        };
        drop(left);
        self.shared.changed.notify_all();
        if let Some(thread) = lock(&self.thread).take() {
            // The panic hook has printed a panic.
            let _ = thread.join();
        }
    }
}

impl Drop for TimerThread {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn work(&self) {
        let mut armed = lock(&self.armed);
        while !armed.is_closed {
            let now = Instant::now();
            if let Some(due) = armed.entries.iter().position(|(when, _)| *when <= now) {
                let (_, fire) = armed.entries.swap_remove(due);
                drop(armed);
                fire();
                armed = lock(&self.armed);
                continue;
            }
            let earliest = armed.entries.iter().map(|(when, _)| *when).min();
            armed = match earliest {
                Some(when) => {
                    self.changed
                        .wait_timeout(armed, when - now)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
                None => self
                    .changed
                    .wait(armed)
                    .unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn arm(&self, when: Instant, fire: Box<dyn FnOnce() + Send>) {
        let mut armed = lock(&self.armed);
        if !armed.is_closed {
            armed.entries.push((when, fire));
        }
        drop(armed);
        self.changed.notify_one();
    }
}

impl Shared {
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let sleep = Arc::<Mutex<SleepState>>::default();
        let over = Arc::clone(&sleep);
        let keeps = self.fault == Fault::FiredSleepsKeepTheFrame;
        let fired = keeps.then(|| Arc::clone(&self.fired));
        let wake = move || {
            let waker = {
                let mut sleep = lock(&over);
                sleep.is_over = true;
                sleep.waker.take()
            };
            match &waker {
                Some(SleepWaker::Framed(waker)) => waker.wake_by_ref(),
                Some(SleepWaker::Bare(waker)) => waker.wake_by_ref(),
                None => {}
            }
            // "The next timer may wake the same task."
            let released = match &fired {
                Some(fired) => std::mem::replace(&mut *lock(fired), waker),
                None => waker,
            };
            drop(released);
        };
        self.arm(Instant::now() + duration, Box::new(wake));
        let fault = self.fault;
        let waiting = Waiting {
            sleep: Arc::clone(&sleep),
            fault,
        };
        Box::pin(poll_fn(move |cx| {
            let _ends_with_the_future = &waiting;
            let waker = match fault {
                Fault::TimersWakeOutside => SleepWaker::Bare(cx.waker().clone()),
                _ => SleepWaker::Framed(FramedWaker::new(cx.waker())),
            };
            let mut sleep = lock(&sleep);
            if sleep.is_over {
                return Poll::Ready(());
            }
            let old = sleep.waker.replace(waker);
            drop(sleep);
            drop(old);
            Poll::Pending
        }))
    }
}

/// Held by a sleep's future: takes the waker out when the future is dropped.
struct Waiting {
    sleep: Arc<Mutex<SleepState>>,
    fault: Fault,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.fault != Fault::DroppedSleepsKeepTheFrame {
            let waker = lock(&self.sleep).waker.take();
            drop(waker);
        }
    }
}

/// The state that a sleep's future and the thread share.
#[derive(Default)]
struct SleepState {
    is_over: bool,
    waker: Option<SleepWaker>,
}

enum SleepWaker {
    Framed(FramedWaker),
    Bare(Waker),
}

impl Timers for TimerThread {
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.shared.sleep(duration)
    }

    fn timeout(
        &self,
        duration: Duration,
        future: BoxFuture<'static, ()>,
    ) -> Option<BoxFuture<'static, bool>> {
        let limit = self.sleep(duration);
        Some(Box::pin(async move {
            match future::select(future, limit).await {
                Either::Left(_) => true,
                Either::Right((_, late)) => {
                    drop(late);
                    false
                }
            }
        }))
    }

    fn interval(&self, period: Duration) -> Option<BoxStream<'static, ()>> {
        let shared = Arc::clone(&self.shared);
        Some(Box::pin(stream::unfold(shared, move |shared| async move {
            shared.sleep(period).await;
            Some(((), shared))
        })))
    }

    fn set_timeout(
        &self,
        duration: Duration,
        callback: Box<dyn FnOnce() + Send>,
    ) -> Option<Arc<dyn CallbackHandle>> {
        let mut callback = Some(callback);
        let once = move || {
            if let Some(callback) = callback.take() {
                callback();
            }
        };
        Some(Callback::arm(&self.shared, duration, false, Box::new(once)))
    }

    fn set_interval(
        &self,
        period: Duration,
        callback: Box<dyn FnMut() + Send>,
    ) -> Option<Arc<dyn CallbackHandle>> {
        Some(Callback::arm(&self.shared, period, true, callback))
    }
}

type Registered = (Box<dyn FnMut() + Send>, Frame);

struct Callback {
    shared: Arc<Shared>,
    period: Duration,
    repeats: bool,
    /// `None` while it is called.
    registered: Mutex<Option<Registered>>,
    is_cancelled: AtomicBool,
}

impl Callback {
    fn arm(
        shared: &Arc<Shared>,
        period: Duration,
        repeats: bool,
        call: Box<dyn FnMut() + Send>,
    ) -> Arc<dyn CallbackHandle> {
        let frame = match shared.fault {
            Fault::TimerCallbacksRunAtTheRoot => Frame::root(),
            _ => Frame::current().inherited(),
        };
        let callback = Arc::new(Callback {
            shared: Arc::clone(shared),
            period,
            repeats,
            registered: Mutex::new(Some((call, frame))),
            is_cancelled: AtomicBool::new(false),
        });
        Arc::clone(&callback).arm_next();
        callback
    }

    fn arm_next(self: Arc<Self>) {
        let shared = Arc::clone(&self.shared);
        shared.arm(Instant::now() + self.period, Box::new(move || self.fire()));
    }

    fn fire(self: Arc<Self>) {
        let Some((mut call, frame)) = lock(&self.registered).take() else {
            return;
        };
        let called = frame.run(|| catch_unwind(AssertUnwindSafe(&mut call)));
        let has_panicked = called.is_err();
        if let Err(caught) = called {
            let (payload, began_in) = caught.into_parts();
            let ended = Ended {
                panic: Some(payload),
                frame: Some(began_in),
            };
            self.shared.reports.report(&ended, false);
        }
        let goes_on = !has_panicked && self.repeats && !self.is_cancelled.load(Ordering::SeqCst);
        if goes_on {
            *lock(&self.registered) = Some((call, frame));
            self.arm_next();
        } else if self.shared.fault == Fault::CallbacksKeepTheFrame {
            *lock(&self.registered) = Some((call, frame));
        } else {
            frame.run(|| drop(call));
        }
    }
}

impl CallbackHandle for Callback {
    fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::SeqCst);
        let registered = lock(&self.registered).take();
        if let Some((call, frame)) = registered {
            frame.run(|| drop(call));
        }
    }
}
