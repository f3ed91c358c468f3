//! The model of deadlines, scopes that can be cancelled, and callbacks of an end.

use std::collections::BTreeSet;

use super::{At, Ends, Guarded, Model, Slots};
use crate::bindings::Bindings;
use crate::expect::{Note, Role};
use crate::program::{Node, Op};
use crate::variables::Seen;
use crate::work::{Moment, Reason, Scope};

const DEADLINE: &str = "C-84: the earlier deadline";
const SHIELD: &str = "C-97: shield keeps the values and drops the end";
const SCOPE: &str = "C-85: an end flows down only";
const CALLBACK: &str = "C-98: on_cancel calls once, in the registering frame";
/// The item of every place under a deadline or in a scope.
pub(super) const FLOWS: &str = "C-85, C-86: what a frame has started has its deadline and scopes";

impl Model {
    /// Returns what is observed now.
    pub(super) fn see(&self, bindings: &Bindings) -> BTreeSet<Seen> {
        bindings.seen(&self.now)
    }

    /// Returns what is observed at some moment since `from`.
    pub(super) fn see_since(&self, from: &Moment, bindings: &Bindings) -> BTreeSet<Seen> {
        bindings.seen(&from.until(&self.now))
    }

    /// Returns what is observed now or later.
    pub(super) fn see_later(&self, bindings: &Bindings) -> BTreeSet<Seen> {
        bindings.seen(&self.later())
    }

    /// Returns what is observed at any moment.
    pub(super) fn see_ever(&self, bindings: &Bindings) -> BTreeSet<Seen> {
        bindings.seen(&Moment::default().until(&self.later()))
    }

    /// Returns any moment from now until the runtime's end.
    pub(super) fn later(&self) -> Moment {
        self.now.until(&Moment {
            ended: Vec::new(),
            may_have: self.ever.clone(),
            shut_down: self.on.ends,
        })
    }

    /// Returns the moments of a task that runs beside the code that goes on here.
    pub(super) fn beside(&self) -> Moment {
        Moment {
            shut_down: self.on.cut_short,
            ..self.later()
        }
    }

    /// Evaluates code that runs at other moments.
    pub(super) fn at_moment<R>(
        &mut self,
        moment: Moment,
        evaluate: impl FnOnce(&mut Self) -> R,
    ) -> R {
        let here = std::mem::replace(&mut self.now, moment);
        let result = evaluate(self);
        self.now = here;
        result
    }

    /// Returns the reasons for which work may have ended now, and `true` if it certainly has.
    pub(super) fn ended_now(&self, bindings: &Bindings) -> (BTreeSet<Reason>, bool) {
        let all = bindings.work().seen_at(&self.now);
        let certain = !all.contains(&None);
        (all.into_iter().flatten().collect(), certain)
    }

    /// Returns `true` if work may end now or later.
    pub(super) fn may_end(&self, bindings: &Bindings) -> bool {
        let reasons = bindings.work().seen_at(&self.now);
        reasons.iter().any(Option::is_some)
    }

    /// Returns the notes of an operation that fails if the work has ended.
    fn obeys(&self, bindings: &Bindings) -> Vec<Note> {
        let note = |reason: Option<Reason>| reason.map_or(Note::Nothing, Note::EndedBy);
        let reasons = bindings.work().seen_at(&self.now);
        // Without flow a blocking call is at the root, and it may have ended before it is awaited.
        let at_root = bindings.is_without_flow().then_some(None);
        reasons.into_iter().chain(at_root).map(note).collect()
    }

    /// Evaluates operations in the statement's frame.
    pub(super) fn obeying(&mut self, id: u32, at: &At, certain: bool, times: usize) {
        for _ in 0..times {
            let place = (id, Role::Obeyed);
            let item = "C-110: operations fail, and the code goes on";
            let (seen, notes) = (self.see(&at.bindings), self.obeys(&at.bindings));
            self.expected.add(place, item, certain, seen, notes);
            self.expected.also(place, at.item);
        }
    }

    /// Returns the context inside of a statement that sets or removes an end, if it is one.
    pub(super) fn with_end(&mut self, node: &Node, at: &At, slots: &Slots<'_>) -> Option<At> {
        let work = at.bindings.work();
        let (work, item) = match node.op {
            Op::RunWithin | Op::ScopeWithin => (work.within(node.times, &self.now), DEADLINE),
            Op::RunPast | Op::ScopePast => (work.within(0, &self.now), DEADLINE),
            Op::RunShielded | Op::Shield => return Some(at.under(at.bindings.shielded(), SHIELD)),
            Op::RunIn | Op::ScopeIn => {
                let scope = slots.scopes[usize::from(node.slot)];
                let inside = scope.map(|scope| work.in_scope(scope, &self.now));
                (inside.unwrap_or_else(|| work.clone()), SCOPE)
            }
            _ => return None,
        };
        Some(at.under(at.bindings.with_work(work), item))
    }

    pub(super) fn new_scope(&mut self) -> Scope {
        self.scopes += 1;
        self.scopes
    }

    /// Evaluates statements that make scopes and cancel them.
    pub(super) fn cancels(&mut self, node: &Node, slots: &mut Slots<'_>) -> Ends {
        let slot = usize::from(node.slot);
        if node.op == Op::NewScope {
            slots.scopes[slot] = Some(self.new_scope());
        } else if let Some(scope) = slots.scopes[slot] {
            let reason = Reason::Cancelled(node.id);
            self.now.cancelled(scope, reason);
            if !self
                .cancelled
                .iter()
                .any(|(cancelled, _)| *cancelled == scope)
            {
                self.cancelled.insert((scope, reason));
            }
        }
        Ends::done()
    }

    /// Evaluates the registration of a callback.
    pub(super) fn registers(&mut self, node: &Node, at: &At) -> Option<Guarded> {
        let (reasons, has_ended) = self.ended_now(&at.bindings);
        if !has_ended && !at.bindings.work().is_none() {
            return Some(Guarded {
                registered_in: Some(at.bindings.clone()),
                ..Guarded::new(node.id, at.certain, &self.now)
            });
        }
        // It is called at once, or dropped at once.
        let item = "C-98: what on_cancel is given is dropped in the registering frame";
        self.observe((node.id, Role::Owned), &at.bindings, at.certain, item);
        if !reasons.is_empty() {
            self.called_back(node.id, at, &at.bindings.seen(&self.now), at.certain);
        }
        None
    }

    /// Evaluates the end of a block in which a callback was registered, at `at`.
    pub(super) fn withdrawn(&mut self, guard: &Guarded, at: &At, is_exact: bool) {
        let item = "C-98: what on_cancel is given is dropped in the registering frame";
        let seen = self.see_since(&guard.since, &at.bindings);
        let place = (guard.id, Role::Owned);
        self.expected
            .add(place, item, guard.certain, seen.clone(), [Note::Nothing]);
        let (reasons, has_ended) = self.ended_now(&at.bindings);
        if !reasons.is_empty() {
            self.called_back(guard.id, at, &seen, is_exact && has_ended);
        }
    }

    /// A callback that is called sees the end.
    fn called_back(&mut self, id: u32, at: &At, seen: &BTreeSet<Seen>, certain: bool) {
        let place = (id, Role::OnCancel);
        let ended = seen.iter().copied().filter(|seen| seen.work.has_ended());
        self.expected
            .add(place, CALLBACK, certain, ended, [Note::Nothing]);
        self.expected.also(place, at.item);
    }
}
