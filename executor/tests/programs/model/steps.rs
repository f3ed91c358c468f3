//! The model of statements that do not await.

use std::collections::BTreeSet;

use super::{
    At, Closure, Ends, Model, RESTORED, SNAPSHOT, Slots, UNBOUND, WITHOUT_FLOW, bound, unbound,
};
use crate::expect::Role;
use crate::program::{Node, Op};

impl Model {
    /// Evaluates a statement that does not await.
    pub(super) fn statement<'p>(&mut self, node: &'p Node, at: &At, slots: &mut Slots<'p>) -> Ends {
        let slot = usize::from(node.slot);
        if let Some(inside) = self.with_end(node, at, slots) {
            return self.block(node, 0, &inside, slots);
        }
        match node.op {
            Op::NewScope | Op::Cancel | Op::CancelFromThread => return self.cancels(node, slots),
            Op::Observe | Op::Guard | Op::OnCancel => {}
            Op::Run => {
                let inside = at.under(bound(node, &at.bindings, 0), RESTORED);
                return self.block(node, 0, &inside, slots);
            }
            Op::RunWithout => {
                let inside = at.under(unbound(node, &at.bindings), UNBOUND);
                return self.block(node, 0, &inside, slots);
            }
            Op::WithoutFlow => {
                let inside = at.under(at.bindings.without_flow(), WITHOUT_FLOW);
                return self.block(node, 0, &inside, slots);
            }
            Op::Catch | Op::CatchStd => self.catch(node, at, slots),
            Op::Panic => {
                let item = "C-82: the panic hook sees the innermost frame";
                self.observe((node.id, Role::Hook), &at.bindings, at.certain, item);
                return Ends {
                    panics: BTreeSet::from([(node.id, at.bindings.clone())]),
                    ..Ends::default()
                };
            }
            Op::Snapshot => slots.frames[slot] = at.bindings.clone(),
            Op::SnapshotInherited => slots.frames[slot] = at.bindings.inherited(),
            Op::Enter => {
                let inside = at.under(slots.frames[slot].clone(), SNAPSHOT);
                return self.block(node, 0, &inside, slots);
            }
            Op::Wrap => {
                let item = "C-18: what a wrapped closure owns is dropped in its frame";
                let seen = self.see_later(&at.bindings);
                self.observe_one_of((node.id, Role::Owned), seen, at.certain, item);
                slots.closures[slot] = Some(Closure {
                    node,
                    bindings: at.bindings.clone(),
                    frames: slots.frames.clone(),
                });
            }
            // C-23: the first capture wins.
            Op::Rewrap => {}
            Op::Call | Op::CallOnThread => return self.call(node, at, slots),
            Op::Unpolled => {
                let item = "C-75: a scope dropped unpolled";
                let inside = bound(node, &at.bindings, 0);
                self.observe((node.id, Role::Owned), &inside, at.certain, item);
            }
            Op::SetTimeout | Op::CancelTimeout | Op::SetInterval => self.callback(node, at, slots),
            _ => self.task(node, at, slots),
        }
        Ends::done()
    }

    fn catch<'p>(&mut self, node: &'p Node, at: &At, slots: &mut Slots<'p>) {
        let inside = at.under(at.bindings.clone(), "C-6, C-21, C-74: a panic restores");
        let ends = self.block(node, 0, &inside, slots);
        self.ended(
            node.id,
            &at.bindings,
            &ends,
            at.certain,
            "C-6, C-21, C-74: a panic restores",
        );
        if node.op == Op::Catch {
            self.reported(&ends, at.certain);
        } else {
            self.stale
                .extend(ends.panics.into_iter().map(|(_, frame)| frame));
        }
    }

    fn call<'p>(&mut self, node: &'p Node, at: &At, slots: &mut Slots<'p>) -> Ends {
        let Some(closure) = slots.closures[usize::from(node.slot)].clone() else {
            return Ends::done();
        };
        let inside = At {
            bindings: closure.bindings.clone(),
            home: closure.bindings,
            certain: at.certain,
            local: false,
            item: "C-18, C-23: a wrapped closure sees its own frame",
        };
        let mut ends = self.unit(closure.node, 0, &inside, closure.frames);
        if node.op == Op::CallOnThread {
            // The panic continues from the join.
            let here = |(id, _)| (id, at.bindings.clone());
            ends.panics = ends.panics.into_iter().map(here).collect();
        }
        ends
    }

    /// Evaluates timer callbacks.
    fn callback<'p>(&mut self, node: &'p Node, at: &At, slots: &Slots<'p>) {
        const ITEM: &str = "C-53: a timer callback has the registering frame";
        let seen = self.see_later(&at.bindings);
        self.observe_one_of((node.id, Role::Owned), seen, at.certain, ITEM);
        let inside = At {
            home: at.bindings.clone(),
            certain: at.certain && !self.on.cut_short && node.op != Op::CancelTimeout,
            local: false,
            ..at.under(at.bindings.clone(), ITEM)
        };
        let times = match node.op {
            Op::SetTimeout => 1,
            Op::SetInterval => node.times,
            // Cancelled, with a delay of an hour or without a delay.
            _ => u8::from(node.times == 1),
        };
        for _ in 0..times {
            let frames = slots.frames.clone();
            let ends = self.at_moment(self.beside(), |model| model.unit(node, 0, &inside, frames));
            self.reported(&ends, inside.certain && self.on.has_hook);
            if !ends.done {
                break;
            }
        }
    }
}
