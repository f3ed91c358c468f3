//! The node of a deadline or of a scope that can be cancelled: it ends once.
//!
//! Owns the protocol of the end, the registrations and the tree. It knows no clock and no executor.
//!
//! # The parts
//!
//! A **holder** ([`Control`]) is a frame's value, or a child: as long as one exists, work may run
//! under the node. The last one to leave takes the node out of the tree and drops its timer. Waits,
//! the timer, the parent and the handle that cancels only keep the node's memory.
//!
//! ```text
//!            1 end                        2 drain
//!   running ───────▶ ended, with entries ─────────▶ ended, without entries
//! ```
//! 1. [`Node::mark`], once, by the timer, a handle, the parent's end or a caller that reads the
//!    clock. It takes the node's children out, which are marked next. From here on `register`
//!    returns the reason.
//! 2. [`Node::drain`], by the same thread: it takes one entry at a time out, and calls it with no
//!    lock held. An entry that its owner removes first is not called.
//!
//! Nothing is inserted into a node that has ended, so a key stays its owner's until it is removed.
//!
//! # Which nodes a node is below
//!
//! A deadline that is not earlier than that of the frame around makes no node. An earlier one ends
//! before all deadlines around it, so its node is below the innermost scope that can be cancelled
//! and no deadline. A chain of tasks that each set a deadline keeps no chain of nodes.

use std::fmt;
use std::task::Waker;
use std::time::Instant;

use framewise_sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use framewise_sync::{Arc, Mutex};
use slab::Slab;

use super::callback::Callback;
use super::ended::{Cause, Ended, Origin};
use crate::FramedWaker;
use crate::panic::{CaughtPanic, catch_unwind};

pub(super) struct Node {
    /// Repeats `state.ended.is_some()`.
    has_ended: AtomicBool,
    /// The earliest of the node's own and those above.
    deadline: Option<Instant>,
    origin: Origin,
    /// `true` for a scope that a handle can cancel, `false` for a deadline.
    is_scope: bool,
    holders: AtomicUsize,
    state: Mutex<NodeState>,
}

struct NodeState {
    ended: Option<Ended>,
    entries: Slab<Entry>,
    /// The nodes above. A scope that is run below another node has two: its handle's, and that one.
    parents: [Option<Parent>; 2],
    /// Dropping it disarms the timer.
    timer: Option<Box<dyn Send>>,
}

/// What is called when a node ends.
pub(super) enum Entry {
    Waker(FramedWaker),
    Callback(Callback),
    Child(Arc<Node>),
}

/// A node above, of which the child is a holder, and the child's entry in it.
struct Parent {
    node: Arc<Node>,
    key: usize,
}

/// A holder of a node.
pub struct Control(Arc<Node>);

/// Reports a panic of a waker or a callback.
pub(super) type Report<'a> = &'a mut dyn FnMut(CaughtPanic);

impl Node {
    fn new(deadline: Option<Instant>, origin: Origin, is_scope: bool) -> Self {
        Self {
            has_ended: AtomicBool::new(false),
            deadline,
            origin,
            is_scope,
            holders: AtomicUsize::new(1),
            state: Mutex::new(NodeState {
                ended: None,
                entries: Slab::new(),
                parents: [None, None],
                timer: None,
            }),
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    #[inline]
    pub(super) fn check(&self) -> Result<(), Ended> {
        // Ordering: Relaxed. The reason is behind the lock, which orders what the ending thread did
        // before with what follows here.
        if !self.has_ended.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.state.lock().ended.clone().map_or(Ok(()), Err)
    }

    /// Inserts an entry. If the node has ended, returns it with the reason.
    pub(super) fn register(&self, entry: Entry) -> Result<usize, (Ended, Entry)> {
        let mut state = self.state.lock();
        match &state.ended {
            Some(ended) => Err((ended.clone(), entry)),
            None => Ok(state.entries.insert(entry)),
        }
    }

    /// Makes sure that entry `key` wakes `waker`: `Ok(None)` if it does, and otherwise the entry
    /// that was replaced.
    pub(super) fn update(
        &self,
        key: usize,
        waker: &Waker,
        make: impl FnOnce() -> FramedWaker,
    ) -> Result<Option<Entry>, Ended> {
        {
            let state = self.state.lock();
            if let Some(ended) = &state.ended {
                return Err(ended.clone());
            }
            if matches!(&state.entries[key], Entry::Waker(own) if own.will_wake(waker)) {
                return Ok(None);
            }
        }
        // Cloning a waker is user code, so it runs without the lock.
        let mut entry = Entry::Waker(make());
        let mut state = self.state.lock();
        if let Some(ended) = state.ended.clone() {
            drop(state);
            return Err(ended);
        }
        std::mem::swap(&mut state.entries[key], &mut entry);
        drop(state);
        Ok(Some(entry))
    }

    /// Takes an entry out. `None` if it was called, or is about to be.
    #[must_use = "it is dropped by the caller, with no lock held"]
    pub(super) fn remove(&self, key: usize) -> Option<Entry> {
        self.state.lock().entries.try_remove(key)
    }

    /// Ends the node and those below, and calls what is registered with them. Returns `false` if it
    /// has ended already.
    pub(super) fn end(this: &Arc<Self>, ended: &Ended, report: Report<'_>) -> bool {
        let mut below = Vec::new();
        if !this.mark(ended, &mut below) {
            return false;
        }
        // The whole tree is marked before any user code runs. `mark` appends to the list.
        let mut next = 0;
        let mut marked = Vec::new();
        while let Some(node) = below.get(next).cloned() {
            next += 1;
            if node.mark(ended, &mut below) {
                marked.push(node);
            }
        }
        drop(below);
        this.drain(report);
        marked.iter().for_each(|node| node.drain(report));
        true
    }

    /// Marks the node as ended, and moves its children to `below`. Returns `false` if it has ended
    /// already.
    fn mark(&self, ended: &Ended, below: &mut Vec<Arc<Node>>) -> bool {
        let mut state = self.state.lock();
        if state.ended.is_some() {
            return false;
        }
        state.ended = Some(ended.clone());
        // Ordering: Relaxed. The lock publishes; see `check`.
        self.has_ended.store(true, Ordering::Relaxed);
        let children: Vec<usize> = (state.entries.iter())
            .filter(|(_, entry)| matches!(entry, Entry::Child(_)))
            .map(|(key, _)| key)
            .collect();
        for key in children {
            if let Some(Entry::Child(child)) = state.entries.try_remove(key) {
                below.push(child);
            }
        }
        let timer = state.timer.take();
        drop(state);
        drop(timer);
        true
    }

    /// Calls the entries one by one, with no lock held. A panic of one does not prevent the others.
    fn drain(&self, report: Report<'_>) {
        let mut from = 0;
        while let Some(entry) = self.take_next(&mut from) {
            if let Err(caught) = catch_unwind(|| entry.call()) {
                report(caught);
            }
        }
    }

    /// Takes the first entry out whose key is at least `from`.
    fn take_next(&self, from: &mut usize) -> Option<Entry> {
        let mut state = self.state.lock();
        while !state.entries.is_empty() {
            let key = *from;
            *from += 1;
            if let Some(entry) = state.entries.try_remove(key) {
                return Some(entry);
            }
        }
        None
    }

    /// Adds a holder.
    fn hold(&self) {
        // Ordering: Relaxed, like the count of an `Arc`: the new holder is cloned from one.
        self.holders.fetch_add(1, Ordering::Relaxed);
    }

    /// Removes a holder; returns `true` if it was the last.
    fn leave(&self) -> bool {
        // Ordering: Relaxed. What the last holder goes on with is behind the lock, which the other
        // holders have left.
        self.holders.fetch_sub(1, Ordering::Relaxed) == 1
    }

    /// Registers `child` with this node and makes it a holder. If this node has ended, so has the
    /// child then.
    fn adopt(this: &Arc<Self>, child: &Arc<Node>, place: usize) {
        match this.register(Entry::Child(Arc::clone(child))) {
            Ok(key) => {
                this.hold();
                let node = Arc::clone(this);
                child.state.lock().parents[place] = Some(Parent { node, key });
            }
            Err((ended, _)) => {
                child.mark(&ended, &mut Vec::new());
            }
        }
    }

    /// Returns the innermost scope of this node and those above: the node below which an earlier
    /// deadline belongs. The caller is a holder.
    fn innermost_scope(this: &Arc<Self>) -> Option<Arc<Node>> {
        if this.is_scope {
            return Some(Arc::clone(this));
        }
        let state = this.state.lock();
        let parent = state.parents.iter().flatten().next();
        parent.map(|parent| Arc::clone(&parent.node))
    }
}

impl Entry {
    fn call(self) {
        match self {
            Entry::Waker(waker) => waker.wake(),
            Entry::Callback(callback) => callback.call(),
            Entry::Child(_) => unreachable!("the children were taken out when the node was marked"),
        }
    }
}

impl Control {
    /// Makes the node of a handle, below no other.
    pub fn new_scope(origin: Origin) -> Self {
        Self(Arc::new(Node::new(None, origin, true)))
    }

    /// Returns a control that ends with this one, which is that of a handle, and with `around`, the
    /// control of the frame in which the scope begins to run.
    #[must_use]
    pub fn below(&self, around: Option<&Control>) -> Self {
        let Some(around) = around else {
            return self.clone();
        };
        let node = Node::new(around.0.deadline, self.0.origin, true);
        let child = Self(Arc::new(node));
        Node::adopt(&self.0, &child.0, 0);
        Node::adopt(&around.0, &child.0, 1);
        child
    }

    /// Makes a control that ends at `deadline`, and with `around`. Returns `around` if that is not
    /// later. The caller arms a timer for the result if it is `Ok`.
    ///
    /// # Errors
    ///
    /// `Err` has a control that needs no timer: that of the frame around if its deadline is not
    /// later, or one that has ended with the frame around.
    pub fn with_deadline(
        around: Option<&Control>,
        deadline: Instant,
        origin: Origin,
    ) -> Result<Self, Self> {
        if let Some(around) = around
            && around.0.deadline.is_some_and(|other| other <= deadline)
        {
            return Err(around.clone());
        }
        let child = Self(Arc::new(Node::new(Some(deadline), origin, false)));
        if let Some(ended) = around.and_then(Control::ended) {
            child.0.mark(&ended, &mut Vec::new());
            return Err(child);
        }
        if let Some(scope) = around.and_then(|around| Node::innermost_scope(&around.0)) {
            Node::adopt(&scope, &child.0, 0);
        }
        Ok(child)
    }

    /// Keeps the guard of the timer that ends this control. It is dropped when the control has
    /// ended or its last holder is gone.
    pub fn arm(&self, timer: Box<dyn Send>) {
        let mut state = self.0.state.lock();
        if state.ended.is_none() {
            state.timer = Some(timer);
        } else {
            drop(state);
            drop(timer);
        }
    }

    /// Returns the reason if this control has ended.
    pub fn ended(&self) -> Option<Ended> {
        self.0.check().err()
    }

    /// Returns the deadline.
    pub fn deadline(&self) -> Option<Instant> {
        self.0.deadline
    }

    /// Returns what a timer or a handle ends. It does not hold the control.
    pub fn target(&self) -> ControlTarget {
        ControlTarget(Arc::clone(&self.0))
    }

    pub(super) fn node(&self) -> &Arc<Node> {
        &self.0
    }
}

impl Clone for Control {
    fn clone(&self) -> Self {
        self.0.hold();
        Self(Arc::clone(&self.0))
    }
}

impl Drop for Control {
    /// Leaves the node, and the nodes above of which it was the last child. A loop, because scopes
    /// nest without a limit.
    fn drop(&mut self) {
        if !self.0.leave() {
            return;
        }
        let mut orphans = Vec::new();
        let mut next = Some(Arc::clone(&self.0));
        while let Some(node) = next {
            let (timer, parents) = {
                let mut state = node.state.lock();
                (state.timer.take(), std::mem::take(&mut state.parents))
            };
            drop(timer);
            for Parent { node, key } in parents.into_iter().flatten() {
                drop(node.remove(key));
                if node.leave() {
                    orphans.push(node);
                }
            }
            next = orphans.pop();
        }
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control")
            .field("deadline", &self.0.deadline)
            .field("origin", &self.0.origin)
            .field("ended", &self.ended())
            .finish_non_exhaustive()
    }
}

/// Ends a control. It keeps the node's memory, but is no holder.
#[derive(Clone)]
pub struct ControlTarget(Arc<Node>);

impl ControlTarget {
    pub(super) fn new(node: &Arc<Node>) -> Self {
        Self(Arc::clone(node))
    }

    /// Ends the control because its deadline has passed. Returns `false` if it has ended already.
    ///
    /// Wakers and callbacks run on this thread; each panic of theirs is passed to `report`.
    pub fn pass(&self, report: &mut dyn FnMut(CaughtPanic)) -> bool {
        Node::end(&self.0, &Ended::deadline(self.0.origin), report)
    }

    /// Ends the control because the timers that had its deadline are closed; see
    /// [`pass`](Self::pass).
    pub fn shut_down(&self, report: &mut dyn FnMut(CaughtPanic)) -> bool {
        Node::end(&self.0, &Ended::shut_down(self.0.origin), report)
    }

    /// Ends the control by a cancel. The first panic of a waker or a callback resumes at the end.
    pub fn cancel(&self, cause: Option<Cause>) -> bool {
        let ended = Ended::cancelled(self.0.origin, cause);
        raising(|report| Node::end(&self.0, &ended, report))
    }

    /// Returns the reason if the control has ended.
    pub fn ended(&self) -> Option<Ended> {
        self.0.check().err()
    }
}

impl fmt::Debug for ControlTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ControlTarget")
            .field("origin", &self.0.origin)
            .finish_non_exhaustive()
    }
}

/// Calls `end`, and resumes the first panic that it reports.
pub(super) fn raising<R>(end: impl FnOnce(Report<'_>) -> R) -> R {
    let mut first = None;
    let result = end(&mut |caught| {
        first.get_or_insert(caught);
    });
    if let Some(caught) = first {
        let (payload, frame) = caught.into_parts();
        drop(frame);
        std::panic::resume_unwind(payload);
    }
    result
}
