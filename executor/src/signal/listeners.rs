//! Which listeners wait for which signal, and which of them a signal wakes.
//!
//! Owns the number of times that each signal has come and the wakers of the listeners. It must not
//! know the operating system: [`super::inbox`] installs the handler, which counts, and calls
//! [`dispatch`](SignalListeners::dispatch) on the driver.
//!
//! # No signal is lost
//!
//! The handler first counts the signal, and then writes a byte that makes the driver call
//! `dispatch`. A listener compares the count with the one that it has seen, under the lock, before
//! its waker is registered. If it misses the signal, its waker is registered before that `dispatch`
//! takes the lock. Then either that `dispatch` is the first one to see the count, and takes the
//! waker out, or another one saw it before. If the other one came after the registration, it took
//! the waker out. It did not come before, because the lock would have made the listener see the
//! count, too.
//!
//! Signals that come before a listener looks are one to it: the count differs, by whatever number.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use framewise_context::{FramedWaker, coop};
use framewise_sync::Mutex;
use framewise_sync::atomic::{AtomicUsize, Ordering};

/// How often a signal has come. The handler holds it, so it has no lock.
#[derive(Debug)]
pub(crate) struct SignalCount(AtomicUsize);

impl SignalCount {
    pub(crate) fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    /// Counts one more. Called by the handler.
    pub(crate) fn increment(&self) {
        // Ordering: Release, pairs with get: the listener sees what was done before the signal was
        // raised.
        self.0.fetch_add(1, Ordering::Release);
    }

    fn get(&self) -> usize {
        // Ordering: Acquire, pairs with increment.
        self.0.load(Ordering::Acquire)
    }
}

/// What a listener knows: its signal, and which count it has seen.
#[derive(Debug)]
pub(crate) struct SignalListener {
    signal: i32,
    id: u64,
    count: Arc<SignalCount>,
    seen: usize,
}

impl SignalListener {
    pub(crate) fn signal(&self) -> i32 {
        self.signal
    }

    fn has_signal(&self) -> bool {
        self.count.get() != self.seen
    }
}

/// The listeners of one runtime.
#[derive(Debug)]
pub(crate) struct SignalListeners {
    state: Mutex<ListenersState>,
}

#[derive(Debug, Default)]
struct ListenersState {
    /// `true` after the runtime's end: no listener waits any more.
    is_closed: bool,
    next_id: u64,
    signals: BTreeMap<i32, SignalState>,
}

#[derive(Debug)]
struct SignalState {
    count: Arc<SignalCount>,
    /// The count of the last `dispatch`.
    dispatched: usize,
    /// The wakers of the listeners that wait, by their ids.
    wakers: BTreeMap<u64, FramedWaker>,
}

impl SignalListeners {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::new(ListenersState::default()),
        }
    }

    /// Returns `true` after [`close`](Self::close).
    pub(crate) fn is_closed(&self) -> bool {
        self.state.lock().is_closed
    }

    /// Adds a signal, whose handler is installed and increments `count`.
    pub(crate) fn add_signal(&self, signal: i32, count: Arc<SignalCount>) {
        let state = SignalState {
            dispatched: count.get(),
            count,
            wakers: BTreeMap::new(),
        };
        self.state.lock().signals.insert(signal, state);
    }

    /// Creates a listener to the signals that come from now on. Returns `None` if the signal was
    /// not [added](Self::add_signal).
    pub(crate) fn listen(&self, signal: i32) -> Option<SignalListener> {
        let mut state = self.state.lock();
        let count = Arc::clone(&state.signals.get(&signal)?.count);
        let id = state.next_id;
        state.next_id += 1;
        Some(SignalListener {
            signal,
            id,
            seen: count.get(),
            count,
        })
    }

    /// Waits until the signal comes, or returns `None` after the end.
    pub(crate) fn poll_recv(
        &self,
        listener: &mut SignalListener,
        cx: &mut Context<'_>,
    ) -> Poll<Option<()>> {
        if !listener.has_signal() {
            // Cloning and dropping a waker is user code, which runs without the lock.
            let waker = FramedWaker::new(cx.waker());
            let mut state = self.state.lock();
            if !listener.has_signal() {
                if state.is_closed {
                    return Poll::Ready(None);
                }
                let replaced = state
                    .signals
                    .get_mut(&listener.signal)
                    .expect("a signal that was added stays")
                    .wakers
                    .insert(listener.id, waker);
                drop(state);
                drop(replaced);
                return Poll::Pending;
            }
            drop(state);
        }
        ready!(coop::poll_spend(cx));
        listener.seen = listener.count.get();
        Poll::Ready(Some(()))
    }

    /// Drops the listener's waker, because its wait is over.
    pub(crate) fn release(&self, listener: &SignalListener) {
        let waker = {
            let mut state = self.state.lock();
            let signal = state.signals.get_mut(&listener.signal);
            signal.and_then(|signal| signal.wakers.remove(&listener.id))
        };
        drop(waker);
    }

    /// Returns the wakers of the listeners whose signals have come since the last call. The caller
    /// wakes them.
    #[must_use = "the listeners wait until they are woken"]
    pub(crate) fn dispatch(&self) -> Vec<FramedWaker> {
        let mut woken = Vec::new();
        for signal in self.state.lock().signals.values_mut() {
            let count = signal.count.get();
            if mem::replace(&mut signal.dispatched, count) != count {
                woken.extend(mem::take(&mut signal.wakers).into_values());
            }
        }
        woken
    }

    /// Ends all waits, and those that begin later. Returns the wakers, which the caller wakes.
    #[must_use = "the listeners wait until they are woken"]
    pub(crate) fn close(&self) -> Vec<FramedWaker> {
        let mut state = self.state.lock();
        state.is_closed = true;
        let signals = state.signals.values_mut();
        signals
            .flat_map(|signal| mem::take(&mut signal.wakers).into_values())
            .collect()
    }
}
