//! Timers and the driver that parks between them.

use framewise_sync::Arc;
use framewise_sync::atomic::{AtomicUsize, Ordering};
use framewise_timers::model::{DriverParkState, Key, Published, TimerQueue};

/// A driver that parks at most once, with the wheels that it looks at.
pub struct Driven<const WHEELS: usize> {
    /// The wheels.
    pub queues: [TimerQueue<()>; WHEELS],
    /// What stands between arming and parking.
    pub park_state: DriverParkState,
    /// Calls of the driver's unpark.
    pub unparks: AtomicUsize,
}

impl<const WHEELS: usize> Driven<WHEELS> {
    /// Wheels without timers.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            queues: std::array::from_fn(|_| TimerQueue::new()),
            park_state: DriverParkState::new(),
            unparks: AtomicUsize::new(0),
        })
    }

    /// As `Sleep` does it.
    pub fn arm(&self, wheel: usize, when: u64) -> Key {
        let (key, published) = self.queues[wheel]
            .arm(when, ())
            .expect("open, and in the future");
        self.announce(published);
        key
    }

    /// What follows the arming.
    pub fn announce(&self, published: Published) {
        self.park_state.armed(published, || {
            self.unparks.fetch_add(1, Ordering::Relaxed);
        });
    }

    /// What the driver reads before it parks.
    pub fn earliest(&self) -> u64 {
        self.queues
            .iter()
            .map(TimerQueue::next)
            .min()
            .expect("there is a wheel")
    }

    /// The tick until which the driver sleeps.
    pub fn park(&self) -> u64 {
        self.park_state.park(|| self.earliest())
    }

    /// How often the driver was unparked.
    pub fn unparks(&self) -> usize {
        self.unparks.load(Ordering::Relaxed)
    }

    /// All other threads are done: a driver that is asleep until `until` must not miss `when`.
    pub fn assert_not_overslept(&self, until: u64, when: u64) {
        assert!(
            until <= when || self.unparks() > 0,
            "the driver sleeps until {until}, past {when}, and nobody wakes it"
        );
    }
}
