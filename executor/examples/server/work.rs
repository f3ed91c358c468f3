//! When to stop, and when everything is done: a notice to many tasks, and a count of unfinished
//! work.
//!
//! Both are a channel that never carries a message; its closing is the signal.

use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_channel::{Receiver, Sender};

/// A notice that one task gives and many await.
#[derive(Clone)]
pub(crate) struct Notice {
    sender: Sender<Infallible>,
    receiver: Receiver<Infallible>,
}

impl Notice {
    pub(crate) fn new() -> Self {
        let (sender, receiver) = async_channel::bounded(1);
        Notice { sender, receiver }
    }

    /// Gives the notice. Wakes all tasks that await it; later ones need not wait.
    pub(crate) fn give(&self) {
        self.sender.close();
    }

    pub(crate) fn is_given(&self) -> bool {
        self.sender.is_closed()
    }

    /// Waits for the notice.
    ///
    /// # Cancel safety
    /// May be dropped and called again.
    pub(crate) async fn given(&self) {
        // Nothing can be sent, so this ends when the channel closes.
        let _ = self.receiver.recv().await;
    }
}

/// Work that must finish before the process may end.
pub(crate) struct Work {
    // Taken by `finish`: from then on, the channel lives as long as the tokens.
    open: Mutex<Option<Sender<Infallible>>>,
    done: Receiver<Infallible>,
}

/// Held by a piece of work until it ends.
pub(crate) struct Token(#[expect(dead_code, reason = "held for its drop")] Sender<Infallible>);

impl Work {
    pub(crate) fn new() -> Self {
        let (sender, done) = async_channel::bounded(1);
        Work {
            open: Mutex::new(Some(sender)),
            done,
        }
    }

    /// Returns a token for a new piece of work, or `None` once `finish` has been called.
    pub(crate) fn begin(&self) -> Option<Token> {
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
            .map(Token)
    }

    /// Lets no more work begin and waits for the work that has begun, for `within` at most. Returns
    /// `true` if all of it finished.
    pub(crate) async fn finish(&self, within: Duration) -> bool {
        drop(
            self.open
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        framewise::time::timeout(within, self.done.recv())
            .await
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[test]
    fn a_notice_reaches_waiting_tasks_and_later_ones() {
        let notice = Notice::new();
        assert!(notice.given().now_or_never().is_none());
        notice.clone().give();
        assert!(notice.is_given());
        assert!(notice.given().now_or_never().is_some());
    }

    #[test]
    fn work_is_counted_until_its_token_drops() {
        let work = Work::new();
        let token = work.begin().expect("open");
        let runtime = framewise::runtime::Runtime::new().expect("a runtime");
        assert!(!runtime.block_on(work.finish(Duration::from_millis(1))));
        assert!(work.begin().is_none());
        drop(token);
        assert!(runtime.block_on(work.finish(Duration::from_secs(10))));
    }
}
