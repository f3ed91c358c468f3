//! Accounting: what each tenant, request class or user costs, by the frame.
//!
//! A runtime that is given an account ([`Builder::account`](crate::runtime::Builder::account))
//! keeps, for each value of one context variable, the time for which its workers worked, polls,
//! queue delays, blocking calls and live tasks; and the bytes that are allocated, with
//! [`Allocator`]. Child tasks, callbacks and blocking calls are included, since they run in the
//! frame of what started them. [`measure`] does the same for one request.
//!
//! ```
//! use framewise::{ContextVar, account, runtime::Builder};
//!
//! static TENANT: ContextVar<&'static str> = ContextVar::new("tenant");
//!
//! async fn work() {
//!     framewise::spawn(framewise::task::yield_now()).await.expect("it does not panic");
//! }
//!
//! # fn main() -> std::io::Result<()> {
//! let tenants = account::by(&TENANT);
//! let runtime = Builder::new().account(&tenants).build()?;
//! runtime.block_on(async {
//!     for tenant in ["ada", "bob", "ada"] {
//!         let request = TENANT.run(tenant, || framewise::spawn(work()));
//!         request.await.expect("it does not panic");
//!     }
//! });
//!
//! let snapshot = tenants.snapshot();
//! let ada = snapshot.get(&"ada").expect("it had work");
//! let bob = snapshot.get(&"bob").expect("it had work");
//! assert_eq!((ada.spawned_tasks(), bob.spawned_tasks()), (4, 2));
//! println!("{snapshot}"); // ada: busy 21.4µs, blocking 0ns, 8 polls, 0 calls, 0 live, ...
//! # Ok(())
//! # }
//! ```
//!
//! # What is counted where
//!
//! Time is **busy** time of the worker that spends it. The clock is read once a poll, at its end,
//! and the time since the previous boundary goes to the key of the poll. So what a worker does to
//! find a task belongs to the task that it finds, and the keys' times add up to the workers' busy
//! time: to the time for which they are not parked.
//!
//! - Scopes are **exclusive**: while code within a poll runs in a scope that binds another value,
//!   its time goes to that value, and not to the outer one.
//! - The work of frames that do not bind the variable is counted as **none**, and so is what the
//!   workers do between polls to collect events and to call wakers. Callbacks of timers and sockets
//!   run in their frames, and are counted there.
//! - **Blocking** time is that of calls of `spawn_blocking`, and of `block_in_place` and the rest
//!   of the poll around it, which has no worker any more. It is not busy time.
//! - The future of a `block_on` is counted if its thread drives a current-thread runtime, and else
//!   not: it is no work of the runtime's threads.
//!
//! **Preemption counts as busy.** The clock is that of the machine, and not of the thread: if the
//! system takes the processor from a worker in a poll, the time until it is back belongs to the
//! poll. On a machine with more runnable threads than processors busy time is longer than processor
//! time.
//!
//! # Bounded in keys
//!
//! An account has a line for each of 128 keys, or as many as [`Account::limit`] says. When there is
//! no room for another key, the key that was looked up longest ago among those without a live task
//! is let go: its value is dropped, and its counts become part of **other**. If each key has a live
//! task, the new key's work is counted as other. So nothing is lost from the
//! [total](Snapshot::total), and no key costs memory forever.
//!
//! `Hash`, `Eq`, `Clone` and `Drop` of a key are called with no lock held. If `Hash`, `Eq` or
//! `Clone` panics, the work is counted as other.
//!
//! # What it costs
//!
//! Nothing, in a runtime without an account. With one, a poll reads the clock once and adds to
//! counters that the worker alone writes. A spawn looks its frame up in a cache of the thread, or,
//! if it is new there, in the table of keys, under a lock. A scope within a poll does the same, and
//! reads the clock when it begins and ends if its key is another one.

mod allocator;
mod clock;
mod histogram;
pub(crate) mod key_table;
mod ledger;
pub(crate) mod meter;
mod request;
pub(crate) mod runtime;
mod snapshot;
pub(crate) mod tally;

use std::fmt;
use std::hash::Hash;
use std::io;
use std::sync::{Arc, OnceLock};

use framewise_context::{ContextVar, Frame};

pub use self::allocator::Allocator;
use self::clock::AccountTicks;
use self::key_table::KeyTable;
pub(crate) use self::ledger::KeySource;
use self::ledger::Ledger;
pub use self::request::{RequestUsage, measure};
pub use self::snapshot::{Snapshot, Usage};
use self::tally::{Sums, Tally};
use crate::task::catch::catch_and_discard;

/// The number of keys of an account, unless it is set.
const LIMIT: usize = 128;

/// Makes an account by the values of a variable, for
/// [`Builder::account`](crate::runtime::Builder::account).
///
/// See the [module](self) for what is counted.
pub fn by<T>(var: &'static ContextVar<T>) -> Account<T>
where
    T: Hash + Eq + Clone + Send + Sync + 'static,
{
    Account(Arc::new(KeyedAccount {
        var,
        limit: LIMIT,
        opened: OnceLock::new(),
    }))
}

/// The account of one runtime, by the values of a variable. Made by [`by`].
///
/// A clone is the same account. It can be read while the runtime runs, and when it has ended.
pub struct Account<T: Send + Sync + 'static>(Arc<KeyedAccount<T>>);

struct KeyedAccount<T: Send + Sync + 'static> {
    var: &'static ContextVar<T>,
    limit: usize,
    opened: OnceLock<Opened<T>>,
}

/// What an account has once it has a runtime.
struct Opened<T> {
    ledger: Arc<Ledger>,
    keys: KeyTable<T>,
}

impl<T> Account<T>
where
    T: Hash + Eq + Clone + Send + Sync + 'static,
{
    /// Sets the number of keys that have a line of their own; 128 if it is not set.
    ///
    /// Each key costs about 200 bytes for each worker, and 2.5 KiB more for each worker on which it
    /// has waited in a queue.
    ///
    /// # Panics
    ///
    /// Panics if the account was cloned, or given to a runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::{ContextVar, account, runtime::Builder};
    ///
    /// static USER: ContextVar<u64> = ContextVar::new("user");
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let users = account::by(&USER).limit(2);
    /// let runtime = Builder::new().account(&users).build()?;
    /// for user in 0..10 {
    ///     runtime.block_on(USER.run(user, || runtime.spawn(async {})))?;
    /// }
    /// let snapshot = users.snapshot();
    /// assert_eq!(snapshot.keys().len(), 2); // the last ones
    /// assert_eq!(snapshot.other().spawned_tasks(), 8);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    #[track_caller]
    pub fn limit(mut self, keys: usize) -> Self {
        let account = Arc::get_mut(&mut self.0);
        account
            .expect("the limit is set before the account is cloned or given to a runtime")
            .limit = keys;
        self
    }

    /// Returns the numbers of all keys. Without a runtime, there are none.
    ///
    /// It adds up the counts of all workers, for an exporter every few seconds or a request for
    /// them. It clones the keys; no worker waits meanwhile.
    pub fn snapshot(&self) -> Snapshot<T> {
        let Some(Opened { ledger, keys }) = self.0.opened.get() else {
            let empty = Usage::new(Sums::new(), clock::AccountClock::new());
            return Snapshot {
                keys: Vec::new(),
                none: empty.clone(),
                other: empty,
                workers: Vec::new(),
            };
        };
        let usage = |sums| Usage::new(sums, ledger.clock.clone());
        let lines = keys.lines();
        let mut other = Sums::of(&ledger.other);
        other.add_sums(&lines.let_go());
        let mut keys: Vec<_> = lines
            .entries
            .iter()
            .map(|entry| (entry.value.clone(), usage(Sums::of(&entry.tally))))
            .collect();
        keys.sort_by_key(|(_, usage)| std::cmp::Reverse(usage.busy() + usage.blocking()));
        Snapshot {
            keys,
            none: usage(Sums::of(&ledger.none)),
            other: usage(other),
            workers: ledger.workers(),
        }
    }

    /// Returns the sum over all keys, "none" and "other".
    pub fn total(&self) -> Usage {
        self.snapshot().total()
    }

    pub(crate) fn source(&self) -> Arc<dyn KeySource> {
        Arc::clone(&self.0) as Arc<dyn KeySource>
    }
}

impl<T> KeySource for KeyedAccount<T>
where
    T: Hash + Eq + Clone + Send + Sync + 'static,
{
    fn open(&self, workers: usize) -> io::Result<Arc<Ledger>> {
        let ledger = Arc::new(Ledger::new(workers));
        let opened = Opened {
            ledger: Arc::clone(&ledger),
            keys: KeyTable::new(self.limit, workers),
        };
        match self.opened.set(opened) {
            Ok(()) => Ok(ledger),
            Err(_) => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "an account belongs to one runtime: make another by account::by",
            )),
        }
    }

    fn tally_of(&self, frame: &Frame, now: AccountTicks) -> Option<framewise_sync::Arc<Tally>> {
        let opened = self.opened.get()?;
        self.var.with_in(frame, |value| {
            let value = value?;
            let mut found = None;
            catch_and_discard(|| found = opened.keys.find(value, now));
            Some(found.unwrap_or_else(|| framewise_sync::Arc::clone(&opened.ledger.other)))
        })
    }
}

impl<T: Send + Sync + 'static> Clone for Account<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Send + Sync + 'static> fmt::Debug for Account<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("var", &self.0.var.name())
            .field("limit", &self.0.limit)
            .finish_non_exhaustive()
    }
}
