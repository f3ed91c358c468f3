//! The model of tasks: their observations and their ends.

use std::collections::BTreeSet;

use super::{At, Ends, Frames, Model, Slots};
use crate::bindings::Bindings;
use crate::expect::Role;
use crate::program::{Node, Op};
use crate::variables::Seen;
use crate::work::Moment;

/// A task whose handle is held. It is evaluated when the handle's fate is known.
pub(super) struct Task<'p> {
    node: &'p Node,
    at: At,
    frames: Frames,
    aborted: bool,
    /// The moment of the spawn.
    since: Moment,
}

const OUTPUT: &str = "C-39, C-40: an output is dropped in the task's frame, or by its taker";

impl Model {
    /// Evaluates spawns, and statements that use handles without awaiting them.
    pub(super) fn task<'p>(&mut self, node: &'p Node, at: &At, slots: &mut Slots<'p>) {
        let slot = usize::from(node.slot);
        match node.op {
            Op::DropHandle => {
                if let Some(task) = slots.tasks[slot].take() {
                    self.dropped(task, at, &at.bindings);
                }
            }
            Op::Abort | Op::AbortFromThread => {
                if let Some(task) = &mut slots.tasks[slot] {
                    task.aborted = true;
                }
            }
            _ => {
                let task = self.spawned(node, at, &slots.frames);
                if let Some(old) = slots.tasks[slot].replace(task) {
                    self.dropped(old, at, &at.bindings);
                }
            }
        }
    }

    /// Returns the task that the statement spawns.
    pub(super) fn spawned<'p>(&mut self, node: &'p Node, at: &At, frames: &Frames) -> Task<'p> {
        let (bindings, item) = match node.op {
            Op::SpawnRoot => (Bindings::default(), "C-36: a task spawned at the root"),
            Op::SpawnFromThread => {
                let entered = frames[usize::from(node.slot)].inherited();
                (entered, "C-35, C-63: a task spawned by a thread")
            }
            _ if at.bindings.is_without_flow() => {
                (Bindings::default(), "C-96: spawned without flow")
            }
            Op::SpawnBlocking => (at.bindings.inherited(), "C-61: a blocking call"),
            Op::SpawnLocal if at.local => (at.bindings.inherited(), "C-34: a local task"),
            _ => (
                at.bindings.inherited(),
                "C-25 to C-31, C-37: a task has its spawner's frame",
            ),
        };
        let item_owned = "C-41 to C-45, C-62: what a task owns is dropped in its frame";
        let seen = self.see_later(&bindings);
        self.observe_one_of((node.id, Role::Owned), seen, at.certain, item_owned);
        self.expected.also((node.id, Role::Owned), item);
        Task {
            node,
            at: At {
                home: bindings.clone(),
                bindings,
                certain: at.certain,
                local: at.local && matches!(node.op, Op::SpawnLocal | Op::AbortAtOnce),
                item,
            },
            frames: frames.clone(),
            aborted: false,
            since: self.now.clone(),
        }
    }

    /// Statement `id` awaits the handle at `at`.
    pub(super) fn awaited(&mut self, task: Task<'_>, at: &At, id: u32) {
        let mut droppers = self.see(&at.bindings);
        let during = if at.certain {
            task.since.until(&self.now)
        } else {
            // The awaiter may end before the task, also while it waits in a shield.
            droppers.extend(self.see(&at.bindings.shielded()));
            droppers.extend(self.see_since(&task.since, &at.home));
            droppers.extend(self.see_after(&task.since, &task.at.bindings));
            task.since.until(&self.beside())
        };
        let ends = self.end(&task, at.certain, during, droppers);
        self.ended(id, &at.bindings, &ends, at.certain, "C-38: joining");
    }

    /// A task at `at` drops the handle in `dropper`.
    pub(super) fn dropped(&mut self, task: Task<'_>, at: &At, dropper: &Bindings) {
        let mut droppers = self.see_since(&task.since, dropper);
        droppers.extend(self.see_after(&task.since, &task.at.bindings));
        if !at.certain {
            droppers.extend(self.see_since(&task.since, &at.home));
        }
        let during = task.since.until(&self.beside());
        self.end(&task, false, during, droppers);
    }

    /// Returns what is observed at some moment after `since`.
    fn see_after(&self, since: &Moment, bindings: &Bindings) -> BTreeSet<Seen> {
        bindings.seen(&since.until(&self.later()))
    }

    /// Evaluates the task. `waited`: another task certainly waits for its end.
    fn end(
        &mut self,
        task: &Task<'_>,
        waited: bool,
        during: Moment,
        droppers: BTreeSet<Seen>,
    ) -> Ends {
        // A local task ends with its set, any other task with the runtime.
        let cut = !waited && (task.at.local || self.on.cut_short);
        let mut at = At {
            certain: task.at.certain && !task.aborted && !cut,
            ..task.at.clone()
        };
        let mut ends = Ends::default();
        let mut begins = true;
        if task.node.op == Op::SpawnBlocking {
            // It does not begin if the work has ended, and is taken out of the queue at the end.
            let work = task.at.bindings.work();
            ends.ended = work.seen_at(&during).into_iter().flatten().collect();
            begins = work.seen_at(&task.since).contains(&None);
            at.certain &= ends.ended.is_empty();
        }
        if begins {
            let frames = task.frames.clone();
            let ended = self.at_moment(during, |model| model.unit(task.node, 0, &at, frames));
            ends.done = ended.done;
            ends.panics = ended.panics;
        }
        ends.cancelled = task.aborted || cut;
        if ends.done {
            let certain = at.certain && ends.is_one();
            self.observe_one_of((task.node.id, Role::Output), droppers, certain, OUTPUT);
        }
        self.reported(&ends, at.certain && (waited || self.on.has_hook));
        ends
    }

    /// Evaluates tasks that park after their body and are then aborted.
    pub(super) fn parked<'p>(&mut self, node: &'p Node, at: &At, slots: &Slots<'p>) {
        let task = self.spawned(node, at, &slots.frames);
        let waited = node.op != Op::LeaveParked && at.certain;
        let mut item = task.at.item;
        if node.op == Op::AbortOnDrop {
            item = "C-108: a dropped handle aborts its task, in the task's frame";
            self.expected.also((node.id, Role::Owned), item);
        }
        let inside = At {
            item,
            certain: task.at.certain && (waited || !self.on.cut_short),
            ..task.at
        };
        let during = match waited {
            true => self.now.clone(),
            false => self.later(),
        };
        let mut ends = self.at_moment(during, |model| model.unit(node, 0, &inside, task.frames));
        if ends.done {
            ends.done = false;
            ends.cancelled = true;
        }
        if !waited && self.on.cut_short {
            ends.cancelled = true;
        }
        let is_joined = waited && node.op != Op::AbortOnDrop;
        self.reported(&ends, inside.certain && (is_joined || self.on.has_hook));
        if !matches!(node.op, Op::LeaveParked | Op::AbortOnDrop) {
            self.ended(
                node.id,
                &at.bindings,
                &ends,
                at.certain,
                "C-42: aborted while parked",
            );
        }
    }

    /// Evaluates a task that is aborted right after its spawn.
    pub(super) fn aborted_at_once<'p>(&mut self, node: &'p Node, at: &At, slots: &Slots<'p>) {
        let mut task = self.spawned(node, at, &slots.frames);
        if !task.at.local {
            task.aborted = true;
            return self.awaited(task, at, node.id);
        }
        // The set is not polled in between.
        let ends = Ends {
            cancelled: true,
            ..Ends::default()
        };
        self.ended(
            node.id,
            &at.bindings,
            &ends,
            at.certain,
            "C-41: aborted before its first poll",
        );
    }
}
