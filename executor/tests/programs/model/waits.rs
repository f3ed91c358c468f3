//! The model of statements that await.

use super::{At, Ends, Guarded, Model, Slots, UNBOUND, WITHOUT_FLOW, bound, unbound};
use crate::expect::Role;
use crate::program::{Kind, Node, Op};
use crate::work::OPERATIONS;

const BRANCH: &str = "C-68 to C-70: a scoped branch";

impl Model {
    pub(super) fn awaiting<'p>(&mut self, node: &'p Node, at: &At, slots: &mut Slots<'p>) -> Ends {
        let slot = usize::from(node.slot);
        if node.op.shape().kind == Kind::Async
            && let Some(inside) = self.with_end(node, at, slots)
        {
            return self.scope(node, &inside, slots);
        }
        match node.op {
            Op::Yield | Op::Sleep => {}
            Op::Scope => {
                let item = "C-67, C-74: a scope's values over the poller's";
                let inside = at.under(bound(node, &at.bindings, 0), item);
                return self.scope(node, &inside, slots);
            }
            Op::ScopeWithout => {
                let inside = at.under(unbound(node, &at.bindings), UNBOUND);
                return self.scope(node, &inside, slots);
            }
            Op::ScopeWithoutFlow => {
                let inside = at.under(at.bindings.without_flow(), WITHOUT_FLOW);
                return self.scope(node, &inside, slots);
            }
            // The first variable was bound when the scope of the others was created, and is not
            // bound any more.
            Op::MadeUnder => {
                let item = "C-66, C-67: made under one frame, polled under another";
                let inside = at.under(bound(node, &at.bindings, 1), item);
                return self.scope(node, &inside, slots);
            }
            Op::Moved => return self.moved(node, at, slots),
            Op::InFrame => {
                let item = "C-15, C-16: a future in a snapshot";
                let inside = at.under(slots.frames[slot].clone(), item);
                return self.scope(node, &inside, slots);
            }
            Op::Await => {
                if let Some(task) = slots.tasks[slot].take() {
                    self.awaited(task, at, node.id);
                }
            }
            Op::TaskScope => return self.task_scope(node, at, slots),
            Op::FirstOf => self.first_of(node, at, slots),
            Op::AbortParked | Op::AbortParkedFromThread | Op::LeaveParked | Op::AbortOnDrop => {
                self.parked(node, at, slots);
            }
            Op::AbortAtOnce => self.aborted_at_once(node, at, slots),
            Op::Join | Op::Unordered => return self.join(node, at, slots),
            Op::Select => return self.select(node, at, slots),
            Op::Elapse => {
                let ends = self.block(node, 0, at, slots);
                if ends.done {
                    self.obeying(node.id, at, ends.is_certain(at), 1);
                }
                return ends;
            }
            Op::WithinLimit if !self.may_end(&at.bindings) => {
                let inside = At {
                    home: at.bindings.clone(),
                    ..at.clone()
                };
                return self.unit(node, 0, &inside, slots.frames.clone());
            }
            Op::WithinLimit | Op::RaceLimit => {
                let inside = At {
                    home: at.bindings.clone(),
                    certain: false,
                    ..at.under(at.bindings.clone(), "C-51: a future with a limit")
                };
                let mut ends = self.unit(node, 0, &inside, slots.frames.clone());
                ends.done = true;
                return ends;
            }
            // C-48: it keeps no frame alive, which is checked at the end of the program.
            Op::KeepWaker => {}
            Op::ForeignWaker => self.foreign_waker(node, at),
            Op::Interval => return self.ticks(node, at, slots),
            Op::Channel => self.channel(node, at),
            Op::Stream => return self.stream(node, at, slots),
            Op::BlockInPlace => return self.block(node, 0, at, slots),
            Op::LocalSet => {
                let inside = At {
                    home: at.bindings.clone(),
                    local: true,
                    ..at.under(at.bindings.clone(), "C-64: a nested block_on inherits")
                };
                return self.unit(node, 0, &inside, slots.frames.clone());
            }
            Op::Obey => self.obeying(node.id, at, at.certain, OPERATIONS),
            Op::Released => {
                let item = "C-47: the frame is released at completion";
                let place = (node.id, Role::Released);
                self.observe(place, &at.bindings, at.certain, item);
            }
            _ => return self.statement(node, at, slots),
        }
        Ends::done()
    }

    /// Evaluates a scope whose future owns a value until it is dropped.
    fn scope<'p>(&mut self, node: &'p Node, inside: &At, slots: &mut Slots<'p>) -> Ends {
        let owned = Guarded::new(node.id, inside.certain, &self.now);
        let ends = self.block(node, 0, inside, slots);
        self.kept(&owned, inside, ends.is_certain(inside));
        ends
    }

    fn kept(&mut self, owned: &Guarded, inside: &At, is_exact: bool) {
        let item = "C-69, C-75: what a scope wraps is dropped in it";
        self.let_go((owned.id, Role::Owned), owned, inside, is_exact, item);
    }

    /// Evaluates a scope that is polled first with one more binding, and then without it.
    fn moved<'p>(&mut self, node: &'p Node, at: &At, slots: &mut Slots<'p>) -> Ends {
        let item = "C-71: a started scope keeps its variables, the others follow the poller";
        let first = node.binds[..1].iter();
        let under = first.fold(at.bindings.clone(), |all, bind| {
            all.with(bind.var, node.value(0))
        });
        let before = at.under(bound(node, &under, 1), item);
        let after = at.under(bound(node, &at.bindings, 1), item);
        // It is dropped here, whether or not it reached its second block.
        let owned = Guarded::new(node.id, at.certain, &self.now);
        let mut guards = Vec::new();
        let begun = self.statements(node, 0, &before, slots, &mut guards);
        if !begun.done {
            self.guards(guards, &before, false);
            self.kept(&owned, &after, false);
            return begun;
        }
        let ends = self.block(node, 1, &after, slots);
        let is_exact = ends.is_certain(&after);
        self.guards(guards, &after, is_exact);
        self.kept(&owned, &after, is_exact);
        ends
    }

    /// Returns the context of branch `index`.
    fn branch(node: &Node, index: usize, at: &At) -> At {
        let bindings = match node.binds.get(index) {
            Some(bind) => at.bindings.with(bind.var, node.value(index)),
            None => at.bindings.clone(),
        };
        At {
            home: bindings.clone(),
            ..at.under(bindings, BRANCH)
        }
    }

    /// Returns the possible ends of a branch without adding its observations.
    pub(super) fn foresee(&mut self, node: &Node, index: usize, at: &At) -> Ends {
        let said = std::mem::take(&mut self.expected);
        let ends = self.unit(node, index, at, Default::default());
        self.expected = said;
        ends
    }

    fn join<'p>(&mut self, node: &'p Node, at: &At, slots: &Slots<'p>) -> Ends {
        let mut branches = [0, 1].map(|index| Self::branch(node, index, at));
        let may_panic = [0, 1].map(|index| {
            !self
                .foresee(node, index, &branches[index])
                .panics
                .is_empty()
        });
        let mut all = Ends::done();
        for index in [0, 1] {
            // A panic of the other branch may end this one at any place.
            branches[index].certain &= !may_panic[1 - index];
            let ends = self.unit(node, index, &branches[index], slots.frames.clone());
            all.done &= ends.done;
            all.panics.extend(ends.panics);
        }
        all
    }

    /// Evaluates a select. The winner ends; the loser runs its body and waits forever. The order of
    /// their polls is not determined.
    fn select<'p>(&mut self, node: &'p Node, at: &At, slots: &Slots<'p>) -> Ends {
        let (mut winner, mut loser) = (Self::branch(node, 0, at), Self::branch(node, 1, at));
        let item = "C-69: the loser is dropped in its scope";
        self.observe((node.id, Role::Owned), &loser.bindings, at.certain, item);
        let loser_first = node.times > 1;
        loser.certain &= loser_first;
        let lost = self.unit(node, 1, &loser, slots.frames.clone());
        if loser_first && !lost.done {
            return lost;
        }
        winner.certain &= lost.panics.is_empty();
        let mut ends = self.unit(node, 0, &winner, slots.frames.clone());
        ends.panics.extend(lost.panics);
        ends
    }

    fn ticks<'p>(&mut self, node: &'p Node, at: &At, slots: &mut Slots<'p>) -> Ends {
        let inside = at.under(at.bindings.clone(), "C-52: every tick has the task's frame");
        for _ in 0..node.times {
            let ends = self.block(node, 0, &inside, slots);
            if !ends.done {
                return ends;
            }
        }
        Ends::done()
    }

    /// Evaluates a foreign waker that is registered with a timer, and called once with the other
    /// binding.
    fn foreign_waker(&mut self, node: &Node, at: &At) {
        let with = |index: usize| match node.binds.get(index) {
            Some(bind) => at.bindings.with(bind.var, node.value(index)),
            None => at.bindings.clone(),
        };
        let item = "C-50: a waker's own code runs in its caller's frame";
        self.observe((node.id, Role::Called), &with(1), at.certain, item);
        let item = "C-50: a timer calls a waker in the frame that registered it";
        // The deadline may pass before the timer is polled.
        let seen = self.see_later(&with(0));
        self.observe_one_of((node.id, Role::Woken), seen, false, item);
    }

    /// Evaluates a message that a task sends with a binding and that is received here.
    fn channel(&mut self, node: &Node, at: &At) {
        let task = at.bindings.inherited();
        let sender = bound(node, &task, 0);
        let item = "C-44: what a task owns is dropped in its frame";
        let seen = self.see_later(&task);
        self.observe_one_of((node.id, Role::Owned), seen, at.certain, item);
        for _ in 0..node.times {
            let item = "C-54: a receiver has its own frame";
            self.observe((node.id, Role::Received), &at.bindings, at.certain, item);
            let item = "C-55: a message can carry its sender's frame";
            // Once in its frame, once as message with context.
            self.observe((node.id, Role::Carried), &sender, at.certain, item);
            self.observe((node.id, Role::Carried), &sender, at.certain, item);
            let mut droppers = self.see(&at.bindings);
            let mut opened = self.see(&sender);
            if !at.certain {
                // The message may not be received.
                droppers.extend(self.see(&at.home));
                droppers.extend(self.see_later(&sender));
                droppers.extend(self.see_later(&task));
                opened.extend(self.see_later(&sender));
            }
            self.observe_one_of((node.id, Role::WithContext), opened, at.certain, item);
            let item = "C-54: a message is dropped in its owner's frame";
            self.observe_one_of((node.id, Role::Message), droppers, at.certain, item);
        }
    }

    fn stream<'p>(&mut self, node: &'p Node, at: &At, slots: &mut Slots<'p>) -> Ends {
        let bindings = bound(node, &at.bindings, 0);
        let item = "C-72: a scoped stream is dropped in its scope";
        let owned = Guarded::new(node.id, at.certain, &self.now);
        let inside = At {
            home: bindings.clone(),
            ..at.under(
                bindings,
                "C-72: a scoped stream makes its items in its scope",
            )
        };
        let consumer = at.under(
            at.bindings.clone(),
            "C-72: the consumer's frame between items",
        );
        let frames = slots.frames.clone();
        let mut ends = Ends::done();
        for _ in 0..node.times {
            ends = self.unit(node, 0, &inside, frames.clone());
            if !ends.done {
                break;
            }
            ends = self.block(node, 1, &consumer, slots);
            if !ends.done {
                break;
            }
        }
        let is_exact = ends.is_certain(at);
        self.let_go((node.id, Role::Owned), &owned, &inside, is_exact, item);
        ends
    }
}
