//! The one word of a join handle: its task and, if there is one, the registration of its wait.
//!
//! A handle that waits in a frame with a deadline is registered with that frame's control. Most are
//! not, and a handle is what a spawn returns: so it has no room for the registration, but points to
//! the task by way of it.

use std::ptr::NonNull;
use std::task::Waker;

use framewise_context::control::{ControlWait, Ended};

use crate::task::header::{Header, TaskRef};

/// Points to the task's header or, if the lowest bit is set, to a box with a [`Registered`], which
/// is this link's. Its owner [deregisters](Self::deregister) it before it drops it.
pub(super) struct JoinLink(NonNull<()>);

/// The registration of a handle that has waited under a control.
pub(super) struct Registered {
    task: TaskRef,
    wait: ControlWait,
}

/// Set in the address of a [`Registered`].
const REGISTERED: usize = 1;

const _: () = assert!(align_of::<Header>() > REGISTERED);
const _: () = assert!(align_of::<Registered>() > REGISTERED);

impl JoinLink {
    #[inline]
    pub(super) fn new(task: TaskRef) -> Self {
        Self(task.pointer().cast())
    }

    #[inline(always)]
    pub(super) fn task(&self) -> &TaskRef {
        if self.is_registered() {
            return self.registered_task();
        }
        // SAFETY: it is the pointer that `new` got from a `TaskRef`, which is nothing else.
        unsafe { NonNull::from(&self.0).cast().as_ref() }
    }

    #[cold]
    fn registered_task(&self) -> &TaskRef {
        // SAFETY: the box is this link's; the caller has found it.
        unsafe { &self.registered().as_ref().task }
    }

    /// Returns `true` if there is a registration, even if it has been cleared since.
    #[inline(always)]
    pub(super) fn is_registered(&self) -> bool {
        self.0.addr().get() & REGISTERED != 0
    }

    /// Returns the box, which is there: see [`is_registered`](Self::is_registered).
    fn registered(&self) -> NonNull<Registered> {
        debug_assert!(self.is_registered(), "the caller has found it");
        let pointer = self.0.as_ptr().map_addr(|address| address & !REGISTERED);
        NonNull::new(pointer.cast()).expect("a box has an address")
    }

    /// Registers `waker` with the control of the current frame, if that has one, for the end of the
    /// frame's work. Fails if that has ended.
    #[cold]
    pub(super) fn register(&mut self, waker: &Waker) -> Result<(), Ended> {
        if self.is_registered() {
            // SAFETY: the box is this link's, which is borrowed mutably.
            return unsafe { self.registered().as_mut() }.wait.register(waker);
        }
        let mut wait = ControlWait::new();
        wait.register(waker)?;
        if wait.is_registered() {
            let task = *self.task();
            let registered = Box::into_raw(Box::new(Registered { task, wait }));
            let tagged = registered.map_addr(|address| address | REGISTERED);
            // SAFETY: the address of a box is not null.
            self.0 = unsafe { NonNull::new_unchecked(tagged.cast()) };
        }
        Ok(())
    }

    /// Drops the registration, if there is one.
    #[inline(always)]
    pub(super) fn deregister(&mut self) {
        if self.is_registered() {
            drop(self.take_registered());
        }
    }

    /// Takes the registration out, which is there: see [`is_registered`](Self::is_registered). Its
    /// destructor drops a waker, and may panic.
    #[cold]
    pub(super) fn take_registered(&mut self) -> Box<Registered> {
        let registered = self.registered();
        // SAFETY: it came from `Box::into_raw`, and this link points to it no longer.
        unsafe {
            self.0 = registered.as_ref().task.pointer().cast();
            Box::from_raw(registered.as_ptr())
        }
    }
}
