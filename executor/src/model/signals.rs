//! The shipped listeners to signals of one runtime, in a model.
//!
//! The handler, the pipe and the driver are left out: a model counts a signal, and dispatches
//! afterwards.

use std::future::{Future, poll_fn};
use std::sync::Arc;

use crate::signal::inbox::wake_all;
use crate::signal::listeners::{SignalCount, SignalListener, SignalListeners};

/// The listeners to one signal.
#[derive(Clone)]
pub struct ModelSignals {
    count: Arc<SignalCount>,
    listeners: Arc<SignalListeners>,
}

impl ModelSignals {
    /// Creates the state without a listener.
    pub fn new() -> Self {
        let count = Arc::new(SignalCount::new());
        let listeners = Arc::new(SignalListeners::new());
        listeners.add_signal(1, Arc::clone(&count));
        Self { count, listeners }
    }

    /// Does what the handler does before it writes to the pipe.
    pub fn increment(&self) {
        self.count.increment();
    }

    /// Does what the driver does after it has emptied the pipe.
    pub fn dispatch(&self) {
        assert!(wake_all(self.listeners.dispatch()).is_empty());
    }

    /// Does what the end of the runtime does.
    pub fn close(&self) {
        assert!(wake_all(self.listeners.close()).is_empty());
    }

    /// Returns `true` after the end of the runtime: no listener is made any more.
    pub fn is_closed(&self) -> bool {
        self.listeners.is_closed()
    }

    /// Creates a listener.
    pub fn listen(&self) -> ModelListener {
        ModelListener {
            listener: self.listeners.listen(1).expect("the signal was added"),
            listeners: Arc::clone(&self.listeners),
        }
    }
}

impl Default for ModelSignals {
    fn default() -> Self {
        Self::new()
    }
}

/// A listener to the signal.
pub struct ModelListener {
    listener: SignalListener,
    listeners: Arc<SignalListeners>,
}

impl ModelListener {
    /// Like `Signal::recv`; the end of the wait releases no waker.
    pub fn recv(&mut self) -> impl Future<Output = Option<()>> + Unpin {
        poll_fn(|cx| self.listeners.poll_recv(&mut self.listener, cx))
    }

    /// Does what the end of a wait does.
    pub fn release(&self) {
        self.listeners.release(&self.listener);
    }
}
