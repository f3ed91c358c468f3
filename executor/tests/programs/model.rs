//! The model of the contract: it passes the bindings as an argument and computes what each place
//! observes.
//!
//! It knows no threads, frames or schedules. If the schedule decides whether a statement is reached
//! (an abort, a cut branch), the statement is **uncertain**: it may be left out, but if it runs, it
//! observes the same values. A task is evaluated when the fate of its handle is known; `tasks.rs`
//! does that.

mod children;
mod steps;
mod tasks;
mod waits;
mod work;

use std::collections::BTreeSet;

use crate::bindings::Bindings;
use crate::expect::{Expected, Note, Place, Role};
use crate::program::{Kind, Node, Op, Program, SLOTS};
use crate::variables::Seen;
use crate::work::{Moment, Reason, Scope};
use tasks::Task;

/// The possible ends of a block, a task or a closure.
#[derive(Clone, Default)]
struct Ends {
    done: bool,
    cancelled: bool,
    /// The reasons for which a blocking call may never have begun.
    ended: BTreeSet<Reason>,
    /// The statements that may panic, each with the innermost frame.
    panics: BTreeSet<(u32, Bindings)>,
}

impl Ends {
    fn done() -> Self {
        Self {
            done: true,
            ..Self::default()
        }
    }

    fn notes(&self) -> Vec<Note> {
        let panics = self.panics.iter().map(|(id, _)| Note::Panicked(*id));
        let done = self.done.then_some(Note::Done);
        let cancelled = self.cancelled.then_some(Note::Cancelled);
        let ended = self.ended.iter().copied().map(Note::EndedBy);
        panics.chain(done).chain(cancelled).chain(ended).collect()
    }

    /// Returns `true` if this is certainly the end of a block that begins at `at`.
    fn is_certain(&self, at: &At) -> bool {
        at.certain && self.done && self.panics.is_empty()
    }

    fn is_one(&self) -> bool {
        self.notes().len() == 1
    }
}

/// The context of a statement.
#[derive(Clone)]
struct At {
    bindings: Bindings,
    /// The bindings around the whole task (or closure, or branch), in which its slots are dropped.
    home: Bindings,
    /// `true` if the statement is certainly reached.
    certain: bool,
    /// `true` if it runs on the thread of a `LocalSet`.
    local: bool,
    /// The item of the contract for this block.
    item: &'static str,
}

impl At {
    fn under(&self, bindings: Bindings, item: &'static str) -> At {
        At {
            bindings,
            item,
            ..self.clone()
        }
    }
}

type Frames = [Bindings; SLOTS];

/// A wrapped closure in a slot.
#[derive(Clone)]
struct Closure<'p> {
    node: &'p Node,
    bindings: Bindings,
    frames: Frames,
}

/// A value that a block drops at its end, or a callback that it withdraws.
struct Guarded {
    id: u32,
    /// It certainly exists.
    certain: bool,
    since: Moment,
    /// The frame in which a callback was registered.
    registered_in: Option<Bindings>,
}

impl Guarded {
    fn new(id: u32, certain: bool, since: &Moment) -> Self {
        Self {
            id,
            certain,
            since: since.clone(),
            registered_in: None,
        }
    }
}

/// A task's slots.
struct Slots<'p> {
    frames: Frames,
    closures: [Option<Closure<'p>>; SLOTS],
    tasks: [Option<Task<'p>>; SLOTS],
    scopes: [Option<Scope>; SLOTS],
}

impl Slots<'_> {
    fn new(frames: Frames) -> Self {
        Self {
            frames,
            closures: Default::default(),
            tasks: Default::default(),
            scopes: Default::default(),
        }
    }
}

/// The conditions under which a program runs.
#[derive(Clone, Copy)]
pub(crate) struct Conditions {
    /// The runtime is shut down as soon as the program's own future is ready.
    pub(crate) cut_short: bool,
    /// The runtime is shut down before the observations are complete.
    pub(crate) ends: bool,
    /// The runtime has a hook for unhandled panics.
    pub(crate) has_hook: bool,
}

/// The model's state.
pub(crate) struct Model {
    expected: Expected,
    on: Conditions,
    /// The frames of panics that `std`'s `catch_unwind` caught. A later panic in the same frame may
    /// be reported with one of these, as `framewise_context::catch_unwind` documents.
    stale: BTreeSet<Bindings>,
    now: Moment,
    /// The number of scopes.
    scopes: Scope,
    /// The scopes that are cancelled so far.
    cancelled: BTreeSet<(Scope, Reason)>,
    /// The scopes that are cancelled at some time.
    ever: BTreeSet<(Scope, Reason)>,
}

const RESTORED: &str = "C-2, C-3: run restores";
const UNBOUND: &str = "C-94: unbound";
const WITHOUT_FLOW: &str = "C-96: the code itself keeps its frame";
const SNAPSHOT: &str = "C-15 to C-17: an entered snapshot";

/// Returns the expected observations of a program.
pub(crate) fn expected(program: &Program, on: Conditions) -> Expected {
    // The first evaluation finds the scopes that are cancelled, for the tasks that run beside.
    let cancelled = evaluated(program, on, BTreeSet::new()).cancelled;
    evaluated(program, on, cancelled).expected
}

fn evaluated(program: &Program, on: Conditions, ever: BTreeSet<(Scope, Reason)>) -> Model {
    let mut model = Model {
        expected: Expected::default(),
        on,
        stale: BTreeSet::new(),
        now: Moment::default(),
        scopes: 0,
        cancelled: BTreeSet::new(),
        ever,
    };
    let node = &program.0;
    let root = Bindings::default();
    let bindings = bound(node, &root, 0);
    let at = At {
        home: bindings.clone(),
        bindings,
        certain: true,
        local: false,
        item: "C-64: block_on inherits",
    };
    let ends = model.unit(node, 0, &at, Default::default());
    model.ended(node.id, &root, &ends, true, "C-64: block_on restores");
    model.reported(&ends, true);
    model
}

/// Returns `bindings` extended by those of the statement from `first` on.
fn bound(node: &Node, bindings: &Bindings, first: usize) -> Bindings {
    let binds = node.binds.iter().enumerate().skip(first);
    binds.fold(bindings.clone(), |bindings, (index, bind)| {
        bindings.with(bind.var, node.value(index))
    })
}

/// Returns `bindings` without the variables that the statement names.
fn unbound(node: &Node, bindings: &Bindings) -> Bindings {
    bindings.without(node.binds.iter().map(|bind| bind.var))
}

impl Model {
    fn observe(&mut self, place: Place, bindings: &Bindings, certain: bool, item: &'static str) {
        self.observe_one_of(place, self.see(bindings), certain, item);
        if !bindings.work().is_none() {
            self.expected.also(place, work::FLOWS);
        }
    }

    fn observe_one_of(
        &mut self,
        place: Place,
        seen: BTreeSet<Seen>,
        certain: bool,
        item: &'static str,
    ) {
        self.expected
            .add(place, item, certain, seen, [Note::Nothing]);
    }

    /// The awaiter or catcher observes one of these ends.
    fn ended(&mut self, id: u32, at: &Bindings, ends: &Ends, certain: bool, item: &'static str) {
        self.expected
            .add((id, Role::Ended), item, certain, self.see(at), ends.notes());
    }

    /// The catcher of a panic observes the innermost frame.
    fn reported(&mut self, ends: &Ends, certain: bool) {
        for (id, frame) in &ends.panics {
            // It is entered when the panic is reported.
            let frames = self.stale.iter().chain([frame]);
            let seen = frames.flat_map(|frame| self.see_ever(frame)).collect();
            let item = "C-83: the frame of a panic is the innermost";
            self.observe_one_of((*id, Role::Frame), seen, certain && ends.is_one(), item);
        }
    }

    /// Evaluates a block with its own slots: of a task, a closure or a branch.
    fn unit(&mut self, node: &Node, index: usize, at: &At, frames: Frames) -> Ends {
        let mut slots = Slots::new(frames);
        let ends = self.block(node, index, at, &mut slots);
        for task in slots.tasks.into_iter().flatten() {
            self.dropped(task, at, &at.home);
        }
        ends
    }

    /// Evaluates the statement's block with that index.
    fn block<'p>(&mut self, node: &'p Node, index: usize, at: &At, slots: &mut Slots<'p>) -> Ends {
        let mut guards = Vec::new();
        let ends = self.statements(node, index, at, slots, &mut guards);
        self.guards(guards, at, ends.is_certain(at));
        ends
    }

    /// Evaluates the drops of a block's values. `is_exact`: they are dropped now and not earlier.
    fn guards(&mut self, guards: Vec<Guarded>, at: &At, is_exact: bool) {
        let item = "C-43, C-44: what lives in a frame is dropped in it";
        for guard in guards {
            match guard.registered_in.clone() {
                Some(frame) => self.withdrawn(&guard, &at.under(frame, at.item), is_exact),
                None => self.let_go((guard.id, Role::Guard), &guard, at, is_exact, item),
            }
        }
    }

    /// Evaluates the drop of a value that lives in the frame.
    fn let_go(
        &mut self,
        place: Place,
        guard: &Guarded,
        at: &At,
        is_exact: bool,
        item: &'static str,
    ) {
        let seen = if is_exact {
            self.see(&at.bindings)
        } else {
            self.see_since(&guard.since, &at.bindings)
        };
        self.observe_one_of(place, seen, guard.certain, item);
        self.expected.also(place, at.item);
    }

    /// Evaluates a block's statements. `guards` are its values.
    fn statements<'p>(
        &mut self,
        node: &'p Node,
        index: usize,
        at: &At,
        slots: &mut Slots<'p>,
        guards: &mut Vec<Guarded>,
    ) -> Ends {
        let mut at = at.clone();
        let mut panics = BTreeSet::new();
        self.observe(
            (node.id, Role::begin(index)),
            &at.bindings,
            at.certain,
            at.item,
        );
        let kind = node.op.shape().blocks[index];
        for node in node.blocks[index].iter() {
            if node.op == Op::Guard {
                guards.push(Guarded::new(node.id, at.certain, &self.now));
            }
            if node.op == Op::OnCancel {
                guards.extend(self.registers(node, &at));
            }
            let ends = match kind {
                Kind::Async => self.awaiting(node, &at, slots),
                Kind::Sync => self.statement(node, &at, slots),
            };
            panics.extend(ends.panics);
            at.certain &= panics.is_empty();
            if !ends.done {
                return Ends {
                    panics,
                    ..Ends::default()
                };
            }
            let place = (node.id, Role::After);
            self.observe(
                place,
                &at.bindings,
                at.certain,
                restores(node.op).unwrap_or(at.item),
            );
            self.expected.also(place, at.item);
        }
        Ends {
            done: true,
            panics,
            ..Ends::default()
        }
    }
}

/// Returns the item of the contract for the surrounding frame after a statement.
fn restores(op: Op) -> Option<&'static str> {
    Some(match op {
        Op::Run => RESTORED,
        Op::RunWithout | Op::ScopeWithout => UNBOUND,
        Op::WithoutFlow | Op::ScopeWithoutFlow => WITHOUT_FLOW,
        Op::Enter => SNAPSHOT,
        Op::Catch | Op::CatchStd => "C-6, C-21, C-74: a panic restores",
        Op::Call | Op::CallOnThread => "C-18, C-21: a call of a wrapped closure restores",
        Op::Unpolled => "C-75: a scope dropped unpolled restores",
        Op::Yield => "C-30, C-31: a task is polled in its own frame",
        Op::Sleep | Op::Elapse | Op::WithinLimit => "C-51: after a timer the task's frame",
        Op::Interval => "C-52: after a tick the task's frame",
        Op::Scope | Op::InFrame => "C-74: a scope restores",
        Op::MadeUnder => "C-66: futures are lazy",
        Op::Moved => "C-71: a moved scope restores",
        Op::Await => "C-38: joining leaves the awaiter's frame",
        Op::AbortParked | Op::AbortParkedFromThread | Op::AbortAtOnce => {
            "C-42, C-49: the awaiter's frame after an abort"
        }
        Op::Join | Op::Unordered => "C-68, C-70: scoped branches do not bleed",
        Op::Select => "C-68, C-69: scoped branches do not bleed",
        Op::Channel => "C-54: a receiver has its own frame",
        Op::Stream => "C-72: the consumer's frame after a scoped stream",
        Op::RunWithin | Op::RunPast | Op::ScopeWithin | Op::ScopePast => {
            "C-84, C-85: a deadline ends what is below it alone"
        }
        Op::RunShielded | Op::Shield => "C-97: a shield is for what it wraps alone",
        Op::RunIn | Op::ScopeIn => "C-85: a cancel ends what is below it alone",
        Op::Cancel | Op::CancelFromThread => "C-85: a cancel flows down only",
        Op::TaskScope | Op::FirstOf => "C-103, C-104: the frame after a scope of tasks",
        Op::AbortOnDrop => "C-108: the frame after a handle that aborts",
        Op::Obey => "C-110: operations fail, and the code goes on",
        Op::BlockInPlace => "C-33: block_in_place keeps the frame",
        Op::LocalSet => "C-34, C-64: a nested block_on restores",
        _ => return None,
    })
}
