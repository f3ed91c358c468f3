//! Random programs of all operations that make, enter, hold and drop frames, checked against a
//! model that maps variables to values.
//!
//! After each step every variable is read and compared, and so is what the callbacks of mirrored
//! variables were told on this thread; at the end every value must have been dropped.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use framewise_test_support as support;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::{self, Future};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};

use framewise_context::{ContextVar, Frame, bind, without};
use proptest::prelude::*;
use support::{Drops, OnDrop, Tracked};

/// Enough for direct and packed slots and for two tables.
const VARS: usize = 150;
/// The number of frames, closures and scopes that a program can hold at once.
const HOLDS: usize = 6;

/// The index decides: inline or in a cell, inherited or not, mirrored or not.
enum Var {
    Inline(&'static ContextVar<u64>),
    Cell(&'static ContextVar<(u64, Tracked)>),
}

static POOL: LazyLock<Vec<Var>> = LazyLock::new(|| (0..VARS).map(make).collect());

/// What a task gets.
#[derive(PartialEq)]
enum Inherits {
    All,
    Nothing,
    /// The next lower value, and at last nothing.
    Decided,
}

fn inherits(index: usize) -> Inherits {
    match index % 10 {
        3 | 8 => Inherits::Nothing,
        4 => Inherits::Decided,
        _ => Inherits::All,
    }
}

/// What a task gets of these values.
fn inherited(values: &Values) -> Values {
    let task = |(var, value): (&usize, &u64)| match inherits(*var) {
        Inherits::All => Some((*var, *value)),
        Inherits::Nothing => None,
        Inherits::Decided => less(value).map(|less| (*var, less)),
    };
    values.iter().filter_map(task).collect()
}

fn less(value: &u64) -> Option<u64> {
    value.checked_sub(1)
}

thread_local! {
    /// The values of the mirrored variables, as their callbacks were told.
    static MIRROR: RefCell<Values> = const { RefCell::new(Values::new()) };
}

/// Values with a number: the variable's own, or a part of it.
trait Number {
    fn number(&self) -> u64;
}

impl Number for u64 {
    fn number(&self) -> u64 {
        *self
    }
}

impl Number for (u64, Tracked) {
    fn number(&self) -> u64 {
        self.0
    }
}

fn entered<const INDEX: usize, T: Number>(value: &T) {
    let before = MIRROR.with_borrow_mut(|mirror| mirror.insert(INDEX, value.number()));
    assert_eq!(before, None, "the previous value was left");
}

fn left<const INDEX: usize, T: Number>(value: &T) {
    let before = MIRROR.with_borrow_mut(|mirror| mirror.remove(&INDEX));
    assert_eq!(before, Some(value.number()), "this value was entered");
}

/// Mirrors a few variables in each kind of place.
fn mirrored<T: Number + Send + Sync>(var: ContextVar<T>, index: usize) -> ContextVar<T> {
    macro_rules! one_of {
        ($($mirrored:literal)*) => {
            match index {
                $($mirrored => var.mirrored(entered::<$mirrored, T>, left::<$mirrored, T>),)*
                _ => var,
            }
        };
    }
    one_of!(2 3 5 14 17 64 65 125 130)
}

fn is_mirrored(index: usize) -> bool {
    [2, 3, 5, 14, 17, 64, 65, 125, 130].contains(&index)
}

fn make(index: usize) -> Var {
    fn leak<T: Number + Send + Sync>(var: ContextVar<T>, index: usize) -> &'static ContextVar<T> {
        let var = match inherits(index) {
            Inherits::Nothing => var.not_inherited(),
            _ => var,
        };
        Box::leak(Box::new(mirrored(var, index)))
    }
    // Its key equals its index, because nothing else in this process uses variables.
    let var = if inherits(index) == Inherits::Decided {
        Var::Inline(leak(ContextVar::new("any").inherit_with(less), index))
    } else if index.is_multiple_of(2) {
        Var::Inline(leak(ContextVar::new("any"), index))
    } else {
        Var::Cell(leak(ContextVar::new("any"), index))
    };
    match &var {
        Var::Inline(var) => var.run(0, || ()),
        Var::Cell(var) => var.run((0, Drops::default().tracked()), || ()),
    }
    var
}

type Values = BTreeMap<usize, u64>;

fn observe() -> Values {
    let get = |(index, var): (usize, &Var)| {
        let value = match var {
            Var::Inline(var) => var.get(),
            Var::Cell(var) => var.with(|value| value.map(|value| value.0)),
        };
        value.map(|value| (index, value))
    };
    let mut values: Values = POOL.iter().enumerate().filter_map(get).collect();
    let seen = values.clone();
    values.retain(|index, _| is_mirrored(*index));
    MIRROR.with_borrow(|mirror| assert_eq!(*mirror, values, "what the callbacks were told"));
    seen
}

#[derive(Clone, Debug)]
enum Step {
    Bind(usize, u64, Vec<Step>),
    /// An inline variable and one in a cell, or the same variable twice.
    BindThree([usize; 3], u64, Vec<Step>),
    Unbind(usize, Vec<Step>),
    /// A removal, a binding, the removal of a binding and a binding that was removed.
    UnbindAmong([usize; 3], u64, Vec<Step>),
    Snapshot(usize),
    Inherit(usize),
    Enter(usize, Vec<Step>),
    Root(Vec<Step>),
    Wrap(usize),
    Call(usize),
    Scope(usize, usize, usize, u64),
    /// A scope that binds a variable and unbinds others.
    ScopeWithout(usize, [usize; 3], u64),
    Nest(usize, usize, u64),
    Poll(usize),
    Drop(usize),
    Panic(usize, Vec<Step>),
}

type Watched = Pin<Box<dyn Future<Output = ()>>>;

/// What a scope changes: the values that it binds, and those that it removes.
type Own = BTreeMap<usize, Option<u64>>;

enum Held {
    Frame(Frame, Values),
    Closure(Box<dyn FnMut() -> Values>, Values),
    /// A scope, its own bindings and removals, and the list of what it saw.
    Scope(Watched, Own, Rc<RefCell<Vec<Values>>>),
}

struct Machine {
    held: [Option<Held>; HOLDS],
    drops: Drops,
    made: usize,
}

impl Machine {
    fn tracked(&mut self, value: u64) -> (u64, Tracked) {
        self.made += 1;
        (value, self.drops.tracked())
    }

    fn run(&mut self, steps: &[Step], now: &Values) {
        for step in steps {
            self.step(step, now);
            assert_eq!(&observe(), now, "after {step:?}");
        }
    }

    fn step(&mut self, step: &Step, now: &Values) {
        match step {
            Step::Bind(var, value, body) => {
                let inside = with(now, [(*var, *value)]);
                match &POOL[*var] {
                    Var::Inline(var) => var.run(*value, || self.run(body, &inside)),
                    Var::Cell(var) => {
                        let value = self.tracked(*value);
                        var.run(value, || self.run(body, &inside));
                    }
                }
            }
            Step::BindThree(vars, value, body) => {
                let Triple {
                    one: (one, first),
                    two: (two, second),
                    three: (three, third),
                } = three_of(*vars, *value);
                let inside = with(now, [first, second, third]);
                let second = self.tracked(second.1);
                let list = bind(one, first.1).and(two, second).and(three, third.1);
                list.run(|| self.run(body, &inside));
            }
            Step::Unbind(var, body) => {
                let inside = over(now, &Own::from([(*var, None)]));
                match &POOL[*var] {
                    Var::Inline(var) => var.run_unbound(|| self.run(body, &inside)),
                    Var::Cell(var) => var.run_unbound(|| self.run(body, &inside)),
                }
            }
            Step::UnbindAmong(vars, value, body) => {
                let Triple {
                    one: (one, first),
                    two: (two, second),
                    three: (three, third),
                } = three_of(*vars, *value);
                let own = [(first.0, None), (second.0, None), (third.0, Some(third.1))];
                let inside = over(now, &Own::from(own));
                let value = self.tracked(second.1);
                let list = without(one)
                    .and(two, value)
                    .without(three)
                    .without(two)
                    .and(three, third.1);
                list.run(|| self.run(body, &inside));
            }
            Step::Snapshot(slot) => {
                self.put(*slot, Held::Frame(Frame::current(), now.clone()), now)
            }
            Step::Inherit(slot) => {
                let frame = Frame::current().inherited();
                self.put(*slot, Held::Frame(frame, inherited(now)), now);
            }
            Step::Enter(slot, body) => {
                if let Some(Held::Frame(frame, values)) = &self.held[*slot] {
                    let (frame, values) = (frame.clone(), values.clone());
                    frame.run(|| self.run(body, &values));
                }
            }
            Step::Root(body) => Frame::root().run(|| self.run(body, &Values::new())),
            Step::Wrap(slot) => {
                let closure = Box::new(Frame::current().wrap(observe));
                self.put(*slot, Held::Closure(closure, now.clone()), now);
            }
            Step::Call(slot) => {
                if let Some(Held::Closure(call, values)) = &mut self.held[*slot] {
                    assert_eq!(&call(), values);
                }
            }
            Step::Scope(slot, one, two, value) => {
                let Triple {
                    one: (one, first),
                    two: (two, second),
                    three: (three, third),
                } = three_of([*one, *two, *one], *value);
                let (future, seen) = watcher();
                let second_value = self.tracked(second.1);
                let list = bind(one, first.1)
                    .and(two, second_value)
                    .and(three, third.1);
                let own = [first, second, third].map(|(var, value)| (var, Some(value)));
                let own = own.into_iter().collect();
                self.put(
                    *slot,
                    Held::Scope(Box::pin(list.scope(future)), own, seen),
                    now,
                );
            }
            Step::ScopeWithout(slot, vars, value) => {
                let Triple {
                    one: (one, first),
                    two: (two, second),
                    three: (three, third),
                } = three_of(*vars, *value);
                let (future, seen) = watcher();
                let value = self.tracked(second.1);
                let list = bind(two, value).and(three, third.1).without(one);
                let own = [(second.0, Some(second.1)), (third.0, Some(third.1))];
                let own = own.into_iter().chain([(first.0, None)]).collect();
                self.put(
                    *slot,
                    Held::Scope(Box::pin(list.scope(future)), own, seen),
                    now,
                );
            }
            Step::Nest(slot, var, value) => match (self.held[*slot].take(), &POOL[*var]) {
                (Some(Held::Scope(future, own, seen)), Var::Inline(key)) => {
                    let mut outer = Own::from([(*var, Some(*value))]);
                    outer.extend(own);
                    let future = Box::pin(key.scope(*value, future));
                    self.held[*slot] = Some(Held::Scope(future, outer, seen));
                }
                (held, _) => self.held[*slot] = held,
            },
            Step::Poll(slot) => {
                if let Some(Held::Scope(future, own, seen)) = &mut self.held[*slot] {
                    let poll = future
                        .as_mut()
                        .poll(&mut Context::from_waker(Waker::noop()));
                    assert!(poll.is_pending());
                    assert_eq!(seen.borrow_mut().pop(), Some(over(now, own)));
                }
            }
            Step::Drop(slot) => self.drop(*slot, now),
            Step::Panic(var, body) => {
                let Var::Cell(key) = &POOL[*var | 1] else {
                    unreachable!("odd variables are in cells")
                };
                let inside = with(now, [(*var | 1, 1)]);
                let value = self.tracked(1);
                let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    key.run(value, || {
                        self.run(body, &inside);
                        // Not `panic!`, because the hook would print thousands of messages.
                        std::panic::resume_unwind(Box::new(Expected))
                    })
                }));
                let payload = caught.expect_err("the value panics when it is dropped");
                if !payload.is::<Expected>() {
                    std::panic::resume_unwind(payload);
                }
            }
        }
    }

    fn put(&mut self, slot: usize, held: Held, now: &Values) {
        self.drop(slot, now);
        self.held[slot] = Some(held);
    }

    fn drop(&mut self, slot: usize, now: &Values) {
        let held = self.held[slot].take();
        if let Some(Held::Scope(future, own, seen)) = held {
            drop(future);
            assert_eq!(
                seen.borrow_mut().pop(),
                Some(over(now, &own)),
                "dropped in its scope"
            );
        }
    }
}

struct Expected;

/// Variables with their indices and the values for them.
struct Triple {
    one: (&'static ContextVar<u64>, (usize, u64)),
    two: (&'static ContextVar<(u64, Tracked)>, (usize, u64)),
    three: (&'static ContextVar<u64>, (usize, u64)),
}

/// Makes three bindings: an inline, a counted and an inline value.
fn three_of(vars: [usize; 3], value: u64) -> Triple {
    let inline = |index: usize| match &POOL[index & !1] {
        Var::Inline(var) => *var,
        Var::Cell(_) => unreachable!("even variables are inline"),
    };
    let cell = |index: usize| match &POOL[index | 1] {
        Var::Cell(var) => *var,
        Var::Inline(_) => unreachable!("odd variables are in cells"),
    };
    Triple {
        one: (inline(vars[0]), (vars[0] & !1, value)),
        two: (cell(vars[1]), (vars[1] | 1, value + 1)),
        three: (inline(vars[2]), (vars[2] & !1, value + 2)),
    }
}

fn with<const N: usize>(values: &Values, more: [(usize, u64); N]) -> Values {
    let mut values = values.clone();
    values.extend(more);
    values
}

fn over(values: &Values, own: &Own) -> Values {
    let mut values = values.clone();
    for (var, value) in own {
        match value {
            Some(value) => values.insert(*var, *value),
            None => values.remove(var),
        };
    }
    values
}

/// Makes a future that records what it sees at each poll and when it is dropped.
fn watcher() -> (impl Future<Output = ()>, Rc<RefCell<Vec<Values>>>) {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let (polled, dropped) = (Rc::clone(&seen), Rc::clone(&seen));
    let on_drop = OnDrop(move || dropped.borrow_mut().push(observe()));
    let future = future::poll_fn(move |_| {
        let _ = &on_drop;
        polled.borrow_mut().push(observe());
        Poll::Pending
    });
    (future, seen)
}

/// Chooses variables at the boundaries of the representation more often than others.
fn var() -> impl Strategy<Value = usize> {
    prop_oneof![0..6usize, 12..20usize, 60..70usize, 124..134usize, 0..VARS]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let slot = || 0..HOLDS;
    let value = || 1..1_000u64;
    let leaf = prop_oneof![
        slot().prop_map(Step::Snapshot),
        slot().prop_map(Step::Inherit),
        slot().prop_map(Step::Wrap),
        slot().prop_map(Step::Call),
        (slot(), var(), var(), value()).prop_map(|(slot, a, b, v)| Step::Scope(slot, a, b, v)),
        (slot(), [var(), var(), var()], value())
            .prop_map(|(slot, vars, v)| Step::ScopeWithout(slot, vars, v)),
        (slot(), var(), value()).prop_map(|(slot, a, v)| Step::Nest(slot, a, v)),
        slot().prop_map(Step::Poll),
        slot().prop_map(Step::Poll),
        slot().prop_map(Step::Drop),
    ];
    let step = leaf.prop_recursive(5, 60, 6, move |step| {
        let body = || prop::collection::vec(step.clone(), 0..6);
        prop_oneof![
            3 => (var(), value(), body()).prop_map(|(a, v, body)| Step::Bind(a, v, body)),
            3 => ([var(), var(), var()], value(), body())
                .prop_map(|(vars, v, body)| Step::BindThree(vars, v, body)),
            3 => (slot(), body()).prop_map(|(slot, body)| Step::Enter(slot, body)),
            1 => (var(), body()).prop_map(|(a, body)| Step::Unbind(a, body)),
            1 => ([var(), var(), var()], value(), body())
                .prop_map(|(vars, v, body)| Step::UnbindAmong(vars, v, body)),
            1 => body().prop_map(Step::Root),
            1 => (var(), body()).prop_map(|(a, body)| Step::Panic(a, body)),
        ]
    });
    prop::collection::vec(step, 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn random_programs_agree_with_a_map(steps in steps()) {
        let drops = Drops::default();
        let mut machine =
            Machine { held: [const { None }; HOLDS], drops: drops.clone(), made: 0 };
        machine.run(&steps, &Values::new());
        for slot in 0..HOLDS {
            machine.drop(slot, &Values::new());
        }
        prop_assert_eq!(drops.count(), machine.made, "each value is dropped once");
        prop_assert!(Frame::current().is_root());
    }
}
