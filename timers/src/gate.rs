//! The gate between arming a timer and parking the driver.
//!
//! Owns one word: until when the driver is parked. It decides who has to tell whom, and nothing
//! else: it knows no wheel, no clock and no system call. Deadlines are ticks, and
//! [`NEVER`] stands for none.
//!
//! # The race
//! Arming publishes a deadline and then looks whether the driver is parked past it. Parking
//! publishes until when it will sleep and then looks at the deadlines. Each side stores and then
//! loads what the other stores, so a `SeqCst` fence stands between the two in both (Dekker).
//! Fences are totally ordered, which leaves two cases:
//!
//! - *The arming fence is first.* Whatever precedes it, the deadline's publication, is visible to
//!   loads after the driver's fence: the driver's second look sees it, or something newer, and
//!   the driver does not sleep past it.
//! - *The parking fence is first.* The store of `parked_until` that precedes it is visible to the
//!   load after the arming fence: the one who arms sees that the driver sleeps for longer, or
//!   that someone has undertaken to wake it, or that it is awake again. In the first case it
//!   calls `unpark`. In the second the one who undertook it calls. In the third the driver looks
//!   at the deadlines before it sleeps again; it then has a new fence, for which the same two
//!   cases hold.
//!
//! A deadline that is not earlier than one that its wheel has published already needs no fence:
//! whoever published that one has taken, or is about to take, the steps above for it, and the
//! driver that wakes for it looks at the wheel again.
//!
//! Waking is a system call, so that it is asked for once: whoever calls first takes the
//! [`AWAKE`](ParkGate::AWAKE) mark with a compare-exchange, and others see that mark.

#[cfg(test)]
mod tests;

use framewise_sync::atomic::{AtomicU64, Ordering, fence};

/// The deadline of a wheel without timers, and of a driver that sleeps until it is woken.
pub const NEVER: u64 = u64::MAX;

/// What a wheel's owner has to tell the gate after publishing: a deadline earlier than before, or
/// nothing.
#[must_use = "a driver that is parked past the deadline has to be woken: hand it to ParkGate::armed"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published(Option<u64>);

impl Published {
    /// The wheel's published deadline went down to `when`.
    pub fn earlier(when: u64) -> Self {
        Self(Some(when))
    }

    /// The wheel's published deadline stands.
    pub fn nothing() -> Self {
        Self(None)
    }
}

/// Whether, and until when, the driver is parked.
///
/// ```text
///                 1 park(d)
///   AWAKE ────────────────────────▶ d (parked until tick d; NEVER: until woken)
///     ▲  ▲                          │   │
///     │  └───── 2 unparked ─────────┘   │
///     └──────── 3 armed, with when < d ─┘ and unpark() is called
/// ```
#[derive(Debug)]
pub struct ParkGate {
    parked_until: AtomicU64,
}

impl Default for ParkGate {
    fn default() -> Self {
        Self::new()
    }
}

impl ParkGate {
    /// The driver is awake, or will be: someone has undertaken to wake it. No deadline is before
    /// tick 0, so that `when < parked_until` is false without a case of its own.
    pub const AWAKE: u64 = 0;

    /// Makes the gate of a driver that is awake.
    pub fn new() -> Self {
        Self {
            parked_until: AtomicU64::new(Self::AWAKE),
        }
    }

    /// Announces that the driver is about to park, and says until which tick it may.
    ///
    /// `earliest` reads the published deadlines of all wheels; it is called twice. Only one
    /// thread at a time may drive.
    pub fn park(&self, earliest: impl Fn() -> u64) -> u64 {
        let first = earliest();
        // Ordering: Relaxed; the fence orders it. It publishes nothing besides its own value.
        self.parked_until.store(first, Ordering::Relaxed);
        // Ordering: SeqCst, pairs with the fence in `armed`: store above, load below.
        fence(Ordering::SeqCst);
        let second = earliest();
        if second < first {
            // Whoever armed meanwhile and saw the larger value calls `unpark` once too often.
            // A compare-exchange would keep the mark of such a caller, but who finds that the
            // driver sleeps for less time is right, too, and the wake-up is on its way.
            // Ordering: Relaxed; a reader that sees the older, later value wakes us needlessly.
            // Survives: skipped, because with the older, later value there all wake us needlessly.
            self.parked_until.store(second, Ordering::Relaxed);
            return second;
        }
        first
    }

    /// Announces that the driver is awake.
    pub fn unparked(&self) {
        // Ordering: Relaxed; a reader that still sees it parked wakes it needlessly.
        self.parked_until.store(Self::AWAKE, Ordering::Relaxed);
    }

    /// Calls `unpark` if the driver is parked past what was published.
    ///
    /// No lock may be held: `unpark` is a system call.
    pub fn armed(&self, published: Published, unpark: impl FnOnce()) {
        let Published(Some(when)) = published else {
            return;
        };
        // Ordering: SeqCst, pairs with the fence in `park`: the wheel's deadline was stored
        // before, `parked_until` is loaded after.
        fence(Ordering::SeqCst);
        // Ordering: Relaxed; the fence orders it.
        let mut parked_until = self.parked_until.load(Ordering::Relaxed);
        while when < parked_until {
            // Ordering: Relaxed; only the mark's uniqueness matters, and `unpark` synchronises.
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
