//! A driver that parks between timers, over the shipped wheels and the shipped park state.

use framewise_sync::Arc;
use framewise_sync::atomic::{AtomicUsize, Ordering};
use framewise_timers::model::{DriverParkState, Key, Published, TimerQueue};

/// A driver that parks at most once, and the wheels that it checks before it does.
pub struct TimerDriver<const WHEELS: usize> {
    /// The wheels.
    pub queues: [TimerQueue<()>; WHEELS],
    /// Decides races between arming and parking.
    pub park_state: DriverParkState,
    /// The number of calls of the driver's unpark.
    pub unparks: AtomicUsize,
}

impl<const WHEELS: usize> TimerDriver<WHEELS> {
    /// Wheels without timers.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            queues: std::array::from_fn(|_| TimerQueue::new()),
            park_state: DriverParkState::new(),
            unparks: AtomicUsize::new(0),
        })
    }

    /// Arms a timer in the order in which `Sleep` does it.
    pub fn arm(&self, wheel: usize, when: u64) -> Key {
        let (key, published) = self.queues[wheel]
            .arm(when, ())
            .expect("open, and in the future");
        self.after_arm(published);
        key
    }

    /// Unparks the driver if it is parked past the deadline that was published.
    pub fn after_arm(&self, published: Published) {
        self.park_state.armed(published, || {
            self.unparks.fetch_add(1, Ordering::Relaxed);
        });
    }

    /// Returns the earliest deadline, which the driver reads before it parks.
    pub fn earliest(&self) -> u64 {
        self.queues
            .iter()
            .map(TimerQueue::next)
            .min()
            .expect("there is a wheel")
    }

    /// Parks the driver. Returns the tick until which it is parked.
    pub fn park(&self) -> u64 {
        self.park_state.park(|| self.earliest())
    }

    /// Returns how many times the driver was unparked.
    pub fn unparks(&self) -> usize {
        self.unparks.load(Ordering::Relaxed)
    }

    /// Asserts, once all other threads have finished, that a driver parked until `until` does not
    /// miss `when`.
    pub fn assert_not_overslept(&self, until: u64, when: u64) {
        assert!(
            until <= when || self.unparks() > 0,
            "the driver is parked until {until}, past {when}, and was not unparked"
        );
    }
}
