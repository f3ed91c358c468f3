//! The children of a scope: how they are cancelled, aborted and awaited; and whether the scope or
//! its body has them.

use std::collections::HashMap;
use std::panic::resume_unwind;

use framewise_context::cancel::{CancelHandle, CancelScope};
use framewise_context::{CaughtPanic, Frame, catch_unwind};
use framewise_sync::{Arc, Mutex};

use crate::task::catch::catch_and_discard;
use crate::task::join_set::output_of;
use crate::task::{AbortHandle, Id, JoinError, JoinHandle, JoinSet};

pub(super) struct Children<T> {
    pub(super) set: JoinSet<T>,
    /// For each child in the set, how many were spawned before it.
    places: HashMap<Id, usize>,
    spawned: usize,
    pub(super) cancel: CancelHandle,
    run_in: CancelScope,
}

impl<T> Children<T> {
    pub(super) fn new(cancel: CancelHandle, run_in: CancelScope) -> Self {
        Self {
            set: JoinSet::new(),
            places: HashMap::new(),
            spawned: 0,
            cancel,
            run_in,
        }
    }

    /// Returns the frame of a child that is spawned here.
    #[cfg_attr(any(debug_assertions, feature = "frame-stats"), track_caller)]
    pub(super) fn frame(&self) -> Frame {
        self.run_in.run(Frame::current)
    }

    /// Adds a child that was not polled yet.
    pub(super) fn add(&mut self, child: JoinHandle<T>) -> AbortHandle {
        self.places.insert(child.id(), self.spawned);
        self.spawned += 1;
        self.set.insert(child)
    }

    /// Takes the next child out that has ended.
    async fn next(&mut self) -> Option<(usize, JoinHandle<T>)> {
        let child = self.set.next_member().await?;
        let place = self.places.remove(&child.id());
        Some((place.expect("each child has its place"), child))
    }

    pub(super) async fn next_place(&mut self) -> Option<(usize, Result<T, JoinError>)> {
        let (place, child) = self.next().await?;
        Some((place, output_of(child)))
    }

    /// Waits for the ends of the children, after cancelling and aborting them if there is a cause.
    /// Their outputs are dropped like those of tasks without a joiner, so their panics are
    /// reported.
    ///
    /// # Errors
    ///
    /// Returns the first panic of user code that the cancel or an abort called: of a callback or an
    /// external waker. It is no reason to end the wait.
    pub(super) async fn end(&mut self, cause: Option<&'static str>) -> Result<(), CaughtPanic> {
        let stopped = match cause {
            Some(cause) => self.stop(cause),
            None => Ok(()),
        };
        while self.next().await.is_some() {}
        stopped
    }

    /// Cancels the scope, and aborts the children.
    fn stop(&self, cause: &'static str) -> Result<(), CaughtPanic> {
        let cancelled = catch_unwind(|| _ = self.cancel.cancel_with(cause));
        let aborted = catch_unwind(|| self.set.abort_all());
        match cancelled {
            Ok(()) => aborted,
            Err(panic) => {
                catch_and_discard(|| drop(aborted));
                Err(panic)
            }
        }
    }
}

impl<T> Drop for Children<T> {
    /// The set is not empty if the scope's future is dropped, or if the body let its `TaskScope`
    /// go.
    fn drop(&mut self) {
        if !self.set.is_empty() {
            // The process's panic hook has printed a panic, and no caller could be given it: the
            // thread may unwind already.
            let stopped = self.stop("the scope was dropped");
            catch_and_discard(|| drop(stopped));
        }
    }
}

/// Continues a panic, in the frame in which it began (C-83).
pub(super) fn pass_on(panic: CaughtPanic) -> ! {
    let (payload, frame) = panic.into_parts();
    frame.run(|| resume_unwind(payload))
}

/// The scope's side: it lends the children to the body, and has them when the body has ended.
pub(super) struct Owner<T>(Arc<Mutex<Place<T>>>);

/// Where the children are when the body does not have them.
enum Place<T> {
    /// With the body.
    Lent,
    /// The body has ended, or has dropped its side.
    Back(Children<T>),
    /// The scope has ended.
    Closed,
}

impl<T> Owner<T> {
    pub(super) fn new(children: Children<T>) -> Self {
        Self(Arc::new(Mutex::new(Place::Back(children))))
    }

    /// Takes the children back: `None` if they were not given back.
    fn replace(&self, place: Place<T>) -> Option<Children<T>> {
        let previous = std::mem::replace(&mut *self.0.lock(), place);
        match previous {
            Place::Back(children) => Some(children),
            Place::Lent | Place::Closed => None,
        }
    }

    /// Closes the scope.
    pub(super) fn take_back(&self) -> Option<Children<T>> {
        self.replace(Place::Closed)
    }

    /// Lends the children to the body.
    pub(super) fn lend(&self) -> Lent<T> {
        Lent {
            children: self.replace(Place::Lent),
            owner: Arc::clone(&self.0),
        }
    }
}

impl<T> Drop for Owner<T> {
    fn drop(&mut self) {
        drop(self.take_back());
    }
}

/// The body's side.
pub(super) struct Lent<T> {
    /// `None` in the drop.
    children: Option<Children<T>>,
    owner: Arc<Mutex<Place<T>>>,
}

const LENT: &str = "the children were lent once";

impl<T> Lent<T> {
    pub(super) fn get(&self) -> &Children<T> {
        self.children.as_ref().expect(LENT)
    }

    pub(super) fn get_mut(&mut self) -> &mut Children<T> {
        self.children.as_mut().expect(LENT)
    }
}

impl<T> Drop for Lent<T> {
    /// Gives the children back. If the scope has ended, they end here.
    fn drop(&mut self) {
        let children = self.children.take();
        let mut place = self.owner.lock();
        if let Place::Lent = *place
            && let Some(children) = children
        {
            *place = Place::Back(children);
        } else {
            drop(place);
            drop(children);
        }
    }
}
