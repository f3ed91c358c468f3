//! The hand-over of a current-thread runtime's core, in a model, which has a core of its own.

use std::future::Future;
use std::pin::pin;

use crate::runtime::block_on::ThreadWaker;
use crate::runtime::current_thread::wait_for_core;
use crate::scheduler::core_slot::CoreSlot;

/// The shipped slot, and the shipped way to wait for what is in it.
pub struct ModelSlot<C>(CoreSlot<C, ThreadWaker>);

impl<C> ModelSlot<C> {
    /// Creates a slot in which the core rests.
    pub fn new(core: C) -> Self {
        Self(CoreSlot::new(core))
    }

    /// Takes the core if it rests.
    pub fn take(&self) -> Option<C> {
        self.0.take()
    }

    /// Lets the core rest.
    pub fn put_back(&self, core: C) {
        self.0.put_back(core);
    }

    /// Polls `future` until this thread gets the core. Returns the output if it is ready before.
    pub fn wait_for_core<F: Future>(&self, future: F) -> Result<C, F::Output> {
        wait_for_core(pin!(future), &self.0, None)
    }
}
