//! The driver's park state: the protocol between arming a timer and parking the driver.
//!
//! Owns one word: the tick until which the driver is parked. It decides which thread must wake the
//! driver, and nothing else: it knows no wheel, no clock and no system call. Deadlines are ticks,
//! and [`NEVER`] stands for none.
//!
//! # The race
//! An arming thread publishes a deadline and then checks whether the driver is parked past it. The
//! driver publishes how long it will be parked and then checks the deadlines. Each side stores and
//! then loads what the other side stores, so both need a `SeqCst` fence between the two steps
//! (Dekker). Fences are totally ordered, which leaves two cases:
//!
//! - *The arming fence is first.* The publication of the deadline precedes it, so it is visible to
//!   loads after the driver's fence: the driver's second check sees that deadline or a newer one,
//!   and the driver does not sleep past it.
//! - *The parking fence is first.* The store of `parked_until` precedes it, so it is visible to the
//!   load after the arming fence. The arming thread sees one of three things: the driver sleeps too
//!   long, another thread has taken the duty to wake it, or it is awake again. In the first case
//!   the arming thread calls `unpark`. In the second the other thread calls it. In the third the
//!   driver checks the deadlines before it parks again; it then runs a new fence, for which the
//!   same two cases hold.
//!
//! A deadline that is not earlier than one that its wheel has already published needs no fence: the
//! thread that published the earlier one has taken, or is about to take, the steps above, and the
//! driver that wakes for it checks the wheel again.
//!
//! Waking is a system call, so only one thread does it: the first one replaces the value by
//! [`AWAKE`](DriverParkState::AWAKE) in a compare-exchange, and the others see that mark.

#[cfg(test)]
mod tests;

use framewise_sync::atomic::{AtomicU64, Ordering, fence};

/// The deadline of a wheel without timers, and of a driver that parks until it is woken.
pub const NEVER: u64 = u64::MAX;

/// The result of publishing a wheel's deadline: a deadline that is earlier than before, or nothing.
/// The caller passes it to [`DriverParkState::armed`].
#[must_use = "a driver that is parked past the deadline must be woken: pass it to DriverParkState::armed"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published(Option<u64>);

impl Published {
    /// The wheel's published deadline was lowered to `when`.
    pub fn earlier(when: u64) -> Self {
        Self(Some(when))
    }

    /// The wheel's published deadline is unchanged.
    pub fn nothing() -> Self {
        Self(None)
    }
}

/// The driver's park state: awake, or parked until a tick.
///
/// ```text
///                 1 park(d)
///   AWAKE ────────────────────────▶ d (parked until tick d; NEVER: until woken)
///     ▲  ▲                          │   │
///     │  └───── 2 unparked ─────────┘   │
///     └──────── 3 armed, with when < d ─┘ and unpark() is called
/// ```
#[derive(Debug)]
pub struct DriverParkState {
    parked_until: AtomicU64,
}

impl Default for DriverParkState {
    fn default() -> Self {
        Self::new()
    }
}

impl DriverParkState {
    /// The driver is awake, or another thread has taken the duty to wake it. No deadline is before
    /// tick 0, so `when < parked_until` is false without a special case.
    pub const AWAKE: u64 = 0;

    /// Makes the park state of a driver that is awake.
    pub fn new() -> Self {
        Self {
            parked_until: AtomicU64::new(Self::AWAKE),
        }
    }

    /// Publishes that the driver is about to park; returns the tick until which it may.
    ///
    /// `earliest` reads the published deadlines of all wheels; it is called twice. Only one thread
    /// at a time may drive.
    pub fn park(&self, earliest: impl Fn() -> u64) -> u64 {
        let first = earliest();
        // Ordering: Relaxed; the fence orders it. It publishes nothing besides its own value.
        self.parked_until.store(first, Ordering::Relaxed);
        // Ordering: SeqCst fence, pairs with the fence in `armed`: store above, load below.
        fence(Ordering::SeqCst);
        let second = earliest();
        if second < first {
            // A thread that armed meanwhile and saw the larger value makes a needless call of
            // `unpark`. A compare-exchange would preserve that thread's `AWAKE` mark, but another
            // thread that sees the shorter time decides correctly too, and the wake-up is on its
            // way.
            // Ordering: Relaxed; a thread that reads the previous, later value wakes us needlessly.
            // Survives: skipped, because with the previous, later value there every reader wakes us
            // needlessly.
            self.parked_until.store(second, Ordering::Relaxed);
            return second;
        }
        first
    }

    /// Publishes that the driver is awake.
    pub fn unparked(&self) {
        // Ordering: Relaxed; a thread that still reads that it is parked wakes it needlessly.
        self.parked_until.store(Self::AWAKE, Ordering::Relaxed);
    }

    /// Calls `unpark` if the driver is parked past the published deadline.
    ///
    /// The caller must hold no lock: `unpark` is a system call.
    pub fn armed(&self, published: Published, unpark: impl FnOnce()) {
        let Published(Some(when)) = published else {
            return;
        };
        // Ordering: SeqCst fence, pairs with the fence in `park`: the wheel's deadline was stored
        // before, `parked_until` is loaded after.
        fence(Ordering::SeqCst);
        // Ordering: Relaxed; the fence orders it.
        let mut parked_until = self.parked_until.load(Ordering::Relaxed);
        while when < parked_until {
            // Ordering: Relaxed; only the mark's uniqueness matters, and `unpark` synchronizes.
            match self.parked_until.compare_exchange_weak(
                parked_until,
                Self::AWAKE,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return unpark(),
                Err(current) => parked_until = current,
            }
        }
    }
}
