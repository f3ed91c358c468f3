//! Waking the thread that waits in the driver, with one system call at most for each wait.
//!
//! Owns the flag that says that a wake-up is under way. It must not know the system: what does the
//! waking is a [`WakeDevice`], so that loom can drive the flag with a device of its own.
//!
//! # Why no wake-up is lost
//!
//! Whoever unparks has first published why (a task in a queue, a deadline). It then swaps the flag
//! to true. If it was false, it writes to the device, and the driver's wait ends. If it was true,
//! somebody else's write is under way or has arrived and is not yet
//! [acknowledged](Unpark::acknowledge). The driver acknowledges when it has seen the device's
//! event, before it gives control back to whoever looks at the queues, and by a swap, too: the
//! swaps are ordered on the one flag, so either the unpark comes after, finds false, and writes,
//! or it comes before, and the acknowledging driver thereby sees what had been published.

use std::io;

use framewise_sync::atomic::{AtomicBool, Ordering};

use crate::system;

/// What ends the wait of the thread in the driver.
pub trait WakeDevice {
    /// Ends the current wait, or the next if there is none now.
    fn wake(&self) -> io::Result<()>;
}

impl WakeDevice for system::Waker {
    fn wake(&self) -> io::Result<()> {
        system::Waker::wake(self)
    }
}

/// A device and the flag that spares its calls.
#[derive(Debug)]
pub struct Unpark<D> {
    pending: AtomicBool,
    device: D,
}

impl<D: WakeDevice> Unpark<D> {
    /// No wake-up is under way.
    pub fn new(device: D) -> Self {
        Self {
            pending: AtomicBool::new(false),
            device,
        }
    }

    /// Ends the driver's current wait, or its next. Answers whether that took a system call.
    ///
    /// # Panics
    ///
    /// Panics when the device fails: it is an eventfd (or the like) of ours, so its failure means
    /// that somebody else has closed our descriptor, and a lost wake-up would be a silent hang.
    pub fn unpark(&self) -> bool {
        // Ordering: Release, pairs with the swap in `acknowledge`; publishes why the driver is woken.
        // Nothing is taken over from the driver, so Acquire is not needed; the write below comes
        // after because it depends on the answer.
        if self.pending.swap(true, Ordering::Release) {
            return false;
        }
        self.device
            .wake()
            .expect("the driver's wake device is open");
        true
    }

    /// The device.
    #[cfg(any(framewise_loom, framewise_shuttle))]
    pub fn device(&self) -> &D {
        &self.device
    }

    /// The driver has seen the device's event.
    pub fn acknowledge(&self) {
        // Ordering: Acquire, pairs with the swap in `unpark`: what was published before an unpark
        // that wrote nothing is seen after this. Nothing is published: an unpark that finds false
        // writes, whatever it knows of the driver.
        self.pending.swap(false, Ordering::Acquire);
    }
}
