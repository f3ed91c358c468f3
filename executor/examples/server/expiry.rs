//! Orders that are not paid in time: a timer callback each, cancelled when the order is paid.
//!
//! A callback runs in the frame that registered it, so an order expires in the name of the request
//! that made it, long after that request was answered. Whether an order is paid or expires when
//! both come at once is decided by the database, not here: a timer that fires too late finds the
//! order paid and does nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use framewise::time::{TimerCallback, set_timeout, timeout};

use crate::log::{Site, log};
use crate::store::Store;
use crate::work::{Notice, Work};

/// How long to wait before the database is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// The timers of the open orders.
pub(crate) struct Expiry {
    // `None` while the timer is being armed.
    armed: Mutex<HashMap<i64, Option<TimerCallback>>>,
    store: Arc<Store>,
    work: Arc<Work>,
    stopping: Notice,
}

impl Expiry {
    pub(crate) fn new(store: Arc<Store>, work: Arc<Work>) -> Expiry {
        Expiry {
            armed: Mutex::new(HashMap::new()),
            store,
            work,
            stopping: Notice::new(),
        }
    }

    /// Lets the order expire after `after`, unless it is disarmed before.
    ///
    /// # Frame
    /// The timer keeps the current frame, in which its callback and everything after it runs.
    pub(crate) fn arm(self: &Arc<Self>, order: i64, customer: Arc<str>, after: Duration) {
        self.armed().insert(order, None);
        let expiry = self.clone();
        let timer = set_timeout(after, move || expiry.fire(order, customer));
        // The lock is not held while arming, so the timer may have fired, or the order been paid,
        // already.
        match self.armed().get_mut(&order) {
            Some(armed) => *armed = Some(timer),
            None => drop(timer.cancel()),
        }
    }

    /// Cancels the timer of an order that was paid.
    pub(crate) fn disarm(&self, order: i64) {
        let timer = self.armed().remove(&order);
        if let Some(Some(timer)) = timer {
            timer.cancel();
        }
    }

    /// Cancels all timers and returns how many there were. Their orders stay open; the next run
    /// takes them up.
    pub(crate) fn stop(&self) -> usize {
        self.stopping.give();
        let timers = std::mem::take(&mut *self.armed());
        let count = timers.len();
        for timer in timers.into_values().flatten() {
            timer.cancel();
        }
        count
    }

    /// The timer's callback. It may not block, so it leaves the database to a task, which inherits
    /// its frame.
    fn fire(self: Arc<Self>, order: i64, customer: Arc<str>) {
        self.armed().remove(&order);
        let Some(token) = self.work.begin() else {
            return;
        };
        drop(framewise::spawn(async move {
            self.expire(order, customer).await;
            drop(token);
        }));
    }

    async fn expire(&self, order: i64, customer: Arc<str>) {
        loop {
            match self.store.expire(order, customer.clone()).await {
                Ok(true) => {
                    return log(
                        Site::Timer,
                        Some(&customer),
                        format_args!("order {order} was not paid in time and expired"),
                    );
                }
                Ok(false) => return,
                Err(error) => {
                    log(
                        Site::Timer,
                        Some(&customer),
                        format_args!("order {order} cannot expire yet: {error}"),
                    );
                }
            }
            if self.stopping.is_given() {
                return;
            }
            // Ends at once when the server stops; the next run takes the order up.
            let _ = timeout(RETRY, self.stopping.given()).await;
        }
    }

    fn armed(&self) -> MutexGuard<'_, HashMap<i64, Option<TimerCallback>>> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
