//! The model of `task::scope`.

use std::collections::BTreeSet;

use super::{At, Ends, Frames, Model, Slots};
use crate::bindings::Bindings;
use crate::expect::{Note, Role};
use crate::program::Node;
use crate::variables::Seen;
use crate::work::{Moment, Reason, Scope};

const CHILD: &str = "C-104: a child has its spawner's frame, with the scope's cancellation";
const DROPPED: &str = "C-107: a child that is aborted is dropped in its frame";
const OUTPUT: &str = "C-105: a child's output is its owner's";
const RESULTS: &str = "C-106: the results, in the order of spawning";
const FIRST: &str = "C-106: the first error, or the first success, ends the rest";
const RELEASED: &str = "C-103: the frames of the children are released";

/// A child that was spawned.
struct Child {
    at: At,
    scope: Scope,
    since: Moment,
}

impl Model {
    /// Evaluates the spawn of a child.
    fn child(&mut self, node: &Node, index: usize, at: &At, scope: Scope) -> Child {
        let bindings = if at.bindings.is_without_flow() {
            Bindings::default()
        } else {
            let work = at.bindings.work().in_scope(scope, &self.now);
            at.bindings.with_work(work).inherited()
        };
        let seen = self.see_later(&bindings);
        self.observe_one_of((node.id, Role::Owned), seen, at.certain, CHILD);
        self.expected.also((node.id, Role::Owned), DROPPED);
        Child {
            at: At {
                home: bindings.clone(),
                local: at.local && index == 0,
                ..at.under(bindings, CHILD)
            },
            scope,
            since: self.now.clone(),
        }
    }

    /// Evaluates a child that runs until the scope ends here.
    fn ran(&mut self, node: &Node, index: usize, child: &Child, at: &At, frames: &Frames) -> Ends {
        let during = self.during(child, at);
        let frames = frames.clone();
        let ends = self.at_moment(during, |model| model.unit(node, index, &child.at, frames));
        if ends.done {
            let droppers = self.droppers(child, at);
            let certain = child.at.certain && ends.is_one();
            self.observe_one_of((node.id, Role::Output), droppers, certain, OUTPUT);
        }
        ends
    }

    /// Returns the moments of a child.
    fn during(&self, child: &Child, at: &At) -> Moment {
        let until = if at.certain {
            self.now.clone()
        } else {
            self.beside()
        };
        let mut during = child.since.until(&until);
        // Its own scope is cancelled while it runs, if it is.
        let own = self.cancelled.iter().copied();
        during
            .may_have
            .extend(own.filter(|(scope, _)| *scope == child.scope));
        during
    }

    fn droppers(&self, child: &Child, at: &At) -> BTreeSet<Seen> {
        let mut droppers = self.see(&at.bindings);
        droppers.extend(child.at.bindings.seen(&child.since.until(&self.later())));
        if !at.certain {
            droppers.extend(self.see_since(&child.since, &at.home));
        }
        droppers
    }

    /// The scope may be cancelled by its policy, its body's panic or its drop.
    fn may_be_cancelled(&mut self, scope: Scope) {
        self.cancelled.insert((scope, Reason::TaskScope));
    }

    /// Evaluates two children beside a body. By the statement's times: the body returns, waits for
    /// the results, or cancels the scope between the two spawns and waits.
    pub(super) fn task_scope<'p>(
        &mut self,
        node: &'p Node,
        at: &At,
        slots: &mut Slots<'p>,
    ) -> Ends {
        let scope = self.new_scope();
        let frames = slots.frames.clone();
        let first = self.child(node, 0, at, scope);
        if node.times > 2 {
            let reason = Reason::Cancelled(node.id);
            self.now.cancelled(scope, reason);
            self.cancelled.insert((scope, reason));
        }
        let second = self.child(node, 1, at, scope);
        let body = self.block(node, 2, at, slots);
        let goes_on = body.panics.is_empty();
        if !goes_on || !at.certain {
            self.may_be_cancelled(scope);
        }
        for (index, mut child) in [first, second].into_iter().enumerate() {
            child.at.certain &= goes_on;
            let ends = self.ran(node, index, &child, at, &frames);
            let is_joined = node.times > 1;
            self.reported(&ends, child.at.certain && (is_joined || self.on.has_hook));
            if is_joined && body.done {
                let role = [Role::Ended, Role::EndedSecond][index];
                let certain = at.certain && goes_on;
                let (seen, notes) = (self.see(&at.bindings), ends.notes());
                self.expected
                    .add((node.id, role), RESULTS, certain, seen, notes);
            }
        }
        if body.done {
            self.observe(
                (node.id, Role::Released),
                &at.bindings,
                at.certain && goes_on,
                RELEASED,
            );
        }
        body
    }

    /// Evaluates two children of which the first fails and the second succeeds. By the statement's
    /// times the first error decides, or the first success.
    pub(super) fn first_of(&mut self, node: &Node, at: &At, slots: &Slots<'_>) {
        let scope = self.new_scope();
        let frames = slots.frames.clone();
        let mut children = [0, 1].map(|index| self.child(node, index, at, scope));
        self.may_be_cancelled(scope);
        let [fails, succeeds] = [0, 1].map(|index| self.foresee(node, index, &children[index].at));
        let mut notes = Vec::new();
        if node.times == 1 {
            children[0].at.certain &= succeeds.panics.is_empty();
            children[1].at.certain = false;
            notes.extend(fails.notes());
            notes.extend(succeeds.panics.iter().map(|(id, _)| Note::Panicked(*id)));
        } else {
            children[0].at.certain &= !succeeds.done;
            notes.extend(succeeds.done.then_some(Note::Done));
            notes.extend((!succeeds.panics.is_empty()).then_some(Note::Nothing));
        }
        for (index, child) in children.iter().enumerate() {
            let ends = self.ran(node, index, child, at, &frames);
            self.reported(&ends, child.at.certain);
        }
        let seen = self.see(&at.bindings);
        self.expected
            .add((node.id, Role::Ended), FIRST, at.certain, seen, notes);
        self.observe(
            (node.id, Role::Released),
            &at.bindings,
            at.certain,
            RELEASED,
        );
    }
}
