//! A log of the places that were reached, with the value of [`ID`] there.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::Waker;

use super::ID;
use crate::wait::WaitLimit;

/// A log: its entries are, in order, a label and the value of [`ID`] there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<(Mutex<Vec<Entry>>, Condvar)>);

/// An entry of a [`Log`].
pub(crate) type Entry = (&'static str, Option<u64>);

impl Log {
    /// Makes an empty log.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Makes a log of these entries.
    pub(crate) fn of(entries: &[Entry]) -> Self {
        Self(Arc::new((Mutex::new(entries.to_vec()), Condvar::new())))
    }

    /// Records the value of [`ID`] here.
    pub(crate) fn record(&self, label: &'static str) {
        let entry = (label, ID.get());
        self.0
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(entry);
        self.0.1.notify_all();
    }

    /// Returns a value that records the value of [`ID`] when it is dropped.
    pub(crate) fn on_drop(&self, label: &'static str) -> LogsDrop {
        LogsDrop {
            log: self.clone(),
            label,
        }
    }

    /// Returns the first value that was recorded under `label`, if there is one.
    pub(crate) fn find(&self, label: &str) -> Option<Option<u64>> {
        self.entries()
            .into_iter()
            .find(|(found, _)| *found == label)
            .map(|(_, id)| id)
    }

    /// Returns all entries so far.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.0
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Blocks this thread until there are that many entries, or until the time limit. Returns all
    /// entries.
    pub(crate) fn wait_for(&self, entries: usize) -> Vec<Entry> {
        WaitLimit::begin().block_until(|turn| {
            let recorded = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
            let (recorded, _) = self
                .0
                .1
                .wait_timeout_while(recorded, turn, |recorded| recorded.len() < entries)
                .unwrap_or_else(PoisonError::into_inner);
            recorded.len() >= entries
        });
        self.entries()
    }
}

/// Made by [`Log::on_drop`].
#[derive(Debug)]
pub(crate) struct LogsDrop {
    log: Log,
    label: &'static str,
}

impl Drop for LogsDrop {
    fn drop(&mut self) {
        self.log.record(self.label);
    }
}

/// Returns an external waker, which records each call as "woken" in the log.
pub(crate) fn logging_waker() -> (Waker, Log) {
    struct LogsWake(Log);
    impl std::task::Wake for LogsWake {
        fn wake(self: Arc<Self>) {
            self.0.record("woken");
        }

        fn wake_by_ref(self: &Arc<Self>) {
            self.0.record("woken");
        }
    }
    let log = Log::new();
    (Waker::from(Arc::new(LogsWake(log.clone()))), log)
}
