//! What the checks bind and what notices: variables, values that note their end, a log of drops.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Poll, Waker};

use framewise_context::ContextVar;

use crate::wait::WaitLimit;

/// The variable that most checks bind and read.
pub(crate) static ID: ContextVar<u64> = ContextVar::new("id");

/// A second one.
pub(crate) static OTHER: ContextVar<u64> = ContextVar::new("other");

/// Bound to an [`Alive`], to see how long a frame is held.
pub(crate) static KEPT: ContextVar<Alive> = ContextVar::new("kept");

/// A variable that spawned tasks do not inherit.
pub(crate) static NOT_INHERITED: ContextVar<u64> = ContextVar::new("not_inherited").not_inherited();

/// A token: clones share one life, which a [`Life`] watches.
#[derive(Clone, Debug)]
pub(crate) struct Alive {
    _ending: Arc<Ending>,
}

/// Watches the [`Alive`]s that it gave out.
#[derive(Debug)]
pub(crate) struct Life(Arc<Gate>);

#[derive(Debug)]
struct Ending(Arc<Gate>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.open();
    }
}

impl Life {
    /// A token and its watch.
    pub(crate) fn begin() -> (Alive, Life) {
        let gate = Arc::new(Gate::default());
        let ending = Arc::new(Ending(Arc::clone(&gate)));
        (Alive { _ending: ending }, Life(gate))
    }

    /// The gate that opens when the last token is gone.
    pub(crate) fn end(&self) -> Arc<Gate> {
        Arc::clone(&self.0)
    }

    /// Returns `true` if the last token is gone.
    pub(crate) fn has_ended(&self) -> bool {
        self.0.is_open()
    }
}

/// Opens once. Threads and futures can wait for it.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    state: Mutex<GateState>,
    opened: Condvar,
}

#[derive(Debug, Default)]
struct GateState {
    is_open: bool,
    wakers: Vec<Waker>,
}

impl Gate {
    /// A closed gate.
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Opens it, and wakes who waits in the frame of whoever calls this.
    pub(crate) fn open(&self) {
        let wakers = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.is_open = true;
            std::mem::take(&mut state.wakers)
        };
        self.opened.notify_all();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Returns `true` if it is open.
    pub(crate) fn is_open(&self) -> bool {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_open
    }

    /// Blocks this thread until the gate is open. Returns `false` if it takes too long.
    pub(crate) fn wait(&self) -> bool {
        WaitLimit::begin().block_until(|turn| {
            let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let (state, _) = self
                .opened
                .wait_timeout_while(state, turn, |state| !state.is_open)
                .unwrap_or_else(PoisonError::into_inner);
            state.is_open
        })
    }

    /// Is ready when the gate is open.
    pub(crate) fn passed(self: &Arc<Self>) -> impl Future<Output = ()> + Send + use<> {
        let gate = Arc::clone(self);
        poll_fn(move |cx| {
            let mut state = gate.state.lock().unwrap_or_else(PoisonError::into_inner);
            if state.is_open {
                return Poll::Ready(());
            }
            if !state.wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
                state.wakers.push(cx.waker().clone());
            }
            Poll::Pending
        })
    }
}

/// What was seen, in order: a label and the value of [`ID`] there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<(Mutex<Vec<Entry>>, Condvar)>);

/// An entry of a [`Log`].
pub(crate) type Entry = (&'static str, Option<u64>);

impl Log {
    /// An empty log.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A log of these entries.
    pub(crate) fn of(entries: &[Entry]) -> Self {
        Self(Arc::new((Mutex::new(entries.to_vec()), Condvar::new())))
    }

    /// Notes the value of [`ID`] here.
    pub(crate) fn note(&self, label: &'static str) {
        let entry = (label, ID.get());
        self.0
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(entry);
        self.0.1.notify_all();
    }

    /// A value that notes when it is dropped.
    pub(crate) fn on_drop(&self, label: &'static str) -> NotesDrop {
        NotesDrop {
            log: self.clone(),
            label,
        }
    }

    /// What was noted under `label`, if anything.
    pub(crate) fn find(&self, label: &str) -> Option<Option<u64>> {
        self.entries()
            .into_iter()
            .find(|(found, _)| *found == label)
            .map(|(_, id)| id)
    }

    /// Everything so far.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.0
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Blocks this thread until there are that many entries, or for too long; gives what is there.
    pub(crate) fn wait_for(&self, entries: usize) -> Vec<Entry> {
        WaitLimit::begin().block_until(|turn| {
            let noted = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
            let (noted, _) = self
                .0
                .1
                .wait_timeout_while(noted, turn, |noted| noted.len() < entries)
                .unwrap_or_else(PoisonError::into_inner);
            noted.len() >= entries
        });
        self.entries()
    }
}

/// Made by [`Log::on_drop`].
#[derive(Debug)]
pub(crate) struct NotesDrop {
    log: Log,
    label: &'static str,
}

impl Drop for NotesDrop {
    fn drop(&mut self) {
        self.log.note(self.label);
    }
}

/// A foreign waker, which notes each call as "woken".
pub(crate) fn telling_waker() -> (Waker, Log) {
    struct Tells(Log);
    impl std::task::Wake for Tells {
        fn wake(self: Arc<Self>) {
            self.0.note("woken");
        }

        fn wake_by_ref(self: &Arc<Self>) {
            self.0.note("woken");
        }
    }
    let log = Log::new();
    (Waker::from(Arc::new(Tells(log.clone()))), log)
}

/// Pending `times` times, woken at once each time: other tasks have a turn.
pub(crate) async fn yield_times(times: usize) {
    let mut left = times;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Yields until `condition` holds. Returns `false` if it takes too long. For what an executor without
/// threads does beside the future that waits.
pub(crate) async fn eventually(condition: impl FnMut() -> bool) -> bool {
    holds_within(WaitLimit::begin(), condition).await
}

/// Like [`eventually`], with that limit.
pub(crate) async fn holds_within(
    mut limit: WaitLimit,
    mut condition: impl FnMut() -> bool,
) -> bool {
    while !condition() {
        if !limit.take_turn() {
            return false;
        }
        yield_times(1).await;
    }
    true
}

/// Polls `future` until it is ready or it takes too long. Busy: other tasks have a turn in between.
pub(crate) async fn in_time<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut limit = WaitLimit::begin();
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if !limit.take_turn() => Poll::Ready(None),
        Poll::Pending => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await
}

/// Pending once: `register` gets the waker that ends it.
pub(crate) async fn pause(register: impl FnOnce(&Waker)) {
    let mut register = Some(register);
    poll_fn(|cx| match register.take() {
        Some(register) => {
            register(cx.waker());
            Poll::Pending
        }
        None => Poll::Ready(()),
    })
    .await;
}

/// Waits for `release`, and opens `parked` when it does. The gate keeps the waker: an executor whose
/// wakers own their tasks would drop one that nobody can wake.
pub(crate) async fn park(parked: Arc<Gate>, release: Arc<Gate>) {
    let mut passed = pin!(release.passed());
    poll_fn(|cx| {
        let poll = passed.as_mut().poll(cx);
        parked.open();
        poll
    })
    .await;
}

/// Polls `future` once, with this waker.
pub(crate) fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut std::task::Context::from_waker(waker))
}

/// Blocks this thread on `future`, without an executor.
pub(crate) fn block_on_thread<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = poll_once(future.as_mut(), &waker) {
            return output;
        }
        std::thread::park();
    }
}

/// What [`deliberate_panic`] throws.
pub(crate) const DELIBERATE: &str = "a panic that the suite made on purpose";

/// Panics without the process's panic hook, which would print what nobody needs to read.
pub(crate) fn deliberate_panic() -> ! {
    std::panic::resume_unwind(Box::new(DELIBERATE))
}
