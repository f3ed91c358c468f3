//! Which key a frame belongs to, for one thread: by its cache, or else by the table of keys.
//!
//! Frames differ by their ids, which are never used again.

use std::ptr;

use framewise_context::Frame;

use super::Meter;
use crate::account::request::MeasuredRequest;
use crate::account::runtime::Payer;
use crate::account::tally::Tally;

/// The number of cached frames.
pub(super) const CACHED: usize = 8;

pub(super) struct CachedFrame {
    id: u64,
    payer: Payer,
}

impl Meter {
    /// Makes the key of `frame` current.
    pub(super) fn switch(&self, frame: &Frame) {
        if self.looks_up.get() {
            return;
        }
        let id = frame.id().as_u64();
        let running = self.running.get();
        if id == 0 {
            self.make_current(self.none.get());
        } else if id == running.frame {
            // SAFETY: the frame's id is there only while the task has not ended.
            let task = unsafe { &*running.task };
            self.make_current(self.current_of(task.tally(), task.request));
        } else if let Some((tally, request)) = self.cached(id) {
            self.make_current(self.current_of(tally, request));
        } else {
            let payer = self.look_up(frame);
            self.make_current(self.current_of(payer.tally(), payer.request));
            // Last, since the entry that is replaced may be that of the key that was current.
            self.remember(id, payer);
        }
    }

    /// Returns whom the work of a task with this frame is counted for.
    pub(super) fn payer(&self, frame: &Frame) -> Payer {
        if self.looks_up.get() {
            // The user's code that compares keys spawns a task.
            return Payer {
                tally: Some(framewise_sync::Arc::clone(&self.account.ledger.other)),
                request: MeasuredRequest::of(frame),
            };
        }
        let id = frame.id().as_u64();
        let running = self.running.get();
        if id == running.frame {
            // SAFETY: like in `switch`.
            return unsafe { &*running.task }.payer();
        }
        if self.cached(id).is_some()
            && let Some(payer) = self.with_entry(id, |entry| entry.payer.clone())
        {
            return payer;
        }
        let payer = self.look_up(frame);
        let is_current = self.with_slot(id, |entry| {
            // A key that is current keeps its entry (M2).
            entry.is_some_and(|entry| ptr::eq(entry.payer.tally(), self.current.get().tally))
        });
        if !is_current {
            self.remember(id, payer.clone());
        }
        payer
    }

    fn look_up(&self, frame: &Frame) -> Payer {
        self.looks_up.set(true);
        let payer = self.account.payer_of(frame);
        self.looks_up.set(false);
        payer
    }

    /// Returns the tally and the request of a cached frame, unless its key was let go.
    fn cached(&self, id: u64) -> Option<(*const Tally, *const MeasuredRequest)> {
        self.with_entry(id, |entry| {
            let tally = entry.payer.tally.as_deref();
            let is_retired = tally.is_some_and(Tally::is_retired);
            (!is_retired).then_some((entry.payer.tally(), entry.payer.request))
        })?
    }

    fn with_entry<R>(&self, id: u64, f: impl FnOnce(&CachedFrame) -> R) -> Option<R> {
        self.with_slot(id, |entry| entry.filter(|entry| entry.id == id).map(f))
    }

    fn with_slot<R>(&self, id: u64, f: impl FnOnce(Option<&CachedFrame>) -> R) -> R {
        // SAFETY: only this thread has the cell, and `f` does not reach it.
        f(unsafe { &*self.cache[id as usize % CACHED].as_ptr() }.as_ref())
    }

    fn remember(&self, id: u64, payer: Payer) {
        self.cache[id as usize % CACHED].set(Some(CachedFrame { id, payer }));
    }
}
