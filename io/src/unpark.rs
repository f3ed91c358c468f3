//! Waking the thread that waits in the driver, with at most one system call for each wait.
//!
//! Owns the flag that says that a wake-up is pending. It must not know the system: a [`WakeDevice`]
//! does the waking, so that loom can run the flag with a device of its own.
//!
//! # Why no wake-up is lost
//!
//! A thread that unparks the driver first publishes the reason (a task in a queue, a deadline).
//! Then it swaps the flag to true. If the flag was false, the thread writes to the device, and the
//! driver's wait ends. If it was true, another thread's write is about to happen or has arrived,
//! and is not [acknowledged](Unpark::acknowledge) yet. The driver acknowledges after it has fetched
//! the device's event and before its caller checks the queues, and by a swap, too. All swaps of the
//! flag are ordered. Either the unpark comes after the acknowledgement, finds false, and writes. Or
//! it comes before, and the driver that acknowledges observes what was published.

use std::io;

use framewise_sync::atomic::{AtomicBool, Ordering};

use crate::system;

/// A device that ends the wait of the thread in the driver.
pub trait WakeDevice {
    /// Ends the current wait, or the next one if there is none.
    fn wake(&self) -> io::Result<()>;
}

impl WakeDevice for system::Waker {
    fn wake(&self) -> io::Result<()> {
        system::Waker::wake(self)
    }
}

/// A device, and the flag that spares calls of it.
#[derive(Debug)]
pub struct Unpark<D> {
    pending: AtomicBool,
    device: D,
}

impl<D: WakeDevice> Unpark<D> {
    /// Creates the flag, with no wake-up pending.
    pub fn new(device: D) -> Self {
        Self {
            pending: AtomicBool::new(false),
            device,
        }
    }

    /// Ends the driver's current wait, or its next one. Returns `true` if it called the device.
    ///
    /// # Panics
    ///
    /// Panics if the device fails. It is the driver's own eventfd (or the like), so a failure means
    /// that other code has closed the descriptor, and a lost wake-up would be a silent hang.
    pub fn unpark(&self) -> bool {
        // Ordering: Release, pairs with the swap in `acknowledge`; publishes why the driver is
        // woken. Acquire is not needed, since nothing of the driver's is read. The write below
        // comes after because it depends on the result.
        if self.pending.swap(true, Ordering::Release) {
            return false;
        }
        self.device
            .wake()
            .expect("the driver's wake device is open");
        true
    }

    /// Returns the device.
    #[cfg(any(framewise_loom, framewise_shuttle))]
    pub fn device(&self) -> &D {
        &self.device
    }

    /// Clears the flag. The driver has fetched the device's event.
    pub fn acknowledge(&self) {
        // Ordering: Acquire, pairs with the swap in `unpark`: what was published before an unpark
        // that did not write is visible after this. Nothing is published: an unpark that finds
        // false writes, whatever it knows of the driver.
        self.pending.swap(false, Ordering::Acquire);
    }
}
