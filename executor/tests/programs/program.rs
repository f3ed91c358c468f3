//! The structure of programs: a tree of statements, and a table with one row per kind of statement.
//!
//! It knows neither the meaning of a statement (`model.rs`) nor its execution (`real/`). All
//! statements have the same fields, so generation, numbering, shrinking and printing use the table
//! and not the kind.

use std::fmt;
use std::sync::Arc;

use crate::variables::Var;

/// A sequence of statements. Shared, because a task owns its body.
pub(crate) type Block = Arc<Vec<Node>>;

/// A statement.
#[derive(Clone)]
pub(crate) struct Node {
    /// Its number in the program, which identifies places and values.
    pub(crate) id: u32,
    pub(crate) op: Op,
    pub(crate) binds: Vec<Bind>,
    pub(crate) slot: u8,
    pub(crate) times: u8,
    pub(crate) blocks: Vec<Block>,
}

/// A binding. The statement's number and the position in its list identify the value.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Bind {
    pub(crate) var: Var,
    /// The value holds the frame in which it was made, and its destructor spawns a task.
    pub(crate) chained: bool,
}

impl Node {
    /// Returns the value of binding `index`, which is unique in the program and never a default.
    pub(crate) fn value(&self, index: usize) -> u64 {
        u64::from(self.id) * 10 + index as u64 + 1
    }
}

/// The content of a slot. Each task has [`SLOTS`] slots of every kind.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Slot {
    Frame,
    Closure,
    Task,
    Scope,
}

/// The number of frames, closures, join handles and cancel scopes that a task can hold.
pub(crate) const SLOTS: usize = 2;

/// The kind of a block: its statements may await or not.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Sync,
    Async,
}
use Kind::{Async, Sync};

/// The common properties of all statements of a kind.
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// The minimum and maximum number of bindings.
    pub(crate) binds: (usize, usize),
    pub(crate) slot: Option<Slot>,
    pub(crate) times: bool,
    pub(crate) blocks: &'static [Kind],
    /// The weight in the generator.
    pub(crate) weight: u32,
    pub(crate) needs: Needs,
}

/// The requirements of a statement beyond one thread that runs tasks and timers.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Needs {
    Nothing,
    /// Other threads.
    Threads,
    /// A worker that may block in a nested `block_on`.
    NestedBlockOn,
}

macro_rules! ops {
    ($($op:ident $name:literal $kind:ident $binds:expr, $slot:expr, $times:literal, $blocks:expr,
        $weight:literal, $needs:ident;)*) => {
        /// The kinds of statements; `model.rs` defines their meaning.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(crate) enum Op { $($op),* }

        impl Op {
            pub(crate) const ALL: &'static [Op] = &[$(Op::$op),*];

            pub(crate) fn shape(self) -> &'static Shape {
                match self {
                    $(Op::$op => &Shape {
                        name: $name, kind: $kind, binds: $binds, slot: $slot, times: $times,
                        blocks: $blocks, weight: $weight, needs: Needs::$needs,
                    }),*
                }
            }
        }
    };
}

const FRAME: Option<Slot> = Some(Slot::Frame);
const CLOSURE: Option<Slot> = Some(Slot::Closure);
const TASK: Option<Slot> = Some(Slot::Task);
const SCOPE: Option<Slot> = Some(Slot::Scope);

ops! {
    // The whole program. Its binding is around `block_on`.
    Program "program" Sync (0, 1), None, false, &[Async], 0, Nothing;

    Observe "observe" Sync (0, 0), None, false, &[], 4, Nothing;
    Guard "guard" Sync (0, 0), None, false, &[], 5, Nothing;
    Run "run" Sync (1, 2), None, false, &[Sync], 10, Nothing;
    // Their bindings say which variables are removed.
    RunWithout "run without" Sync (1, 2), None, false, &[Sync], 4, Nothing;
    WithoutFlow "run without flow" Sync (0, 0), None, false, &[Sync], 3, Nothing;
    Catch "catch" Sync (0, 0), None, false, &[Sync], 5, Nothing;
    CatchStd "std catch" Sync (0, 0), None, false, &[Sync], 2, Nothing;
    Panic "panic" Sync (0, 0), None, false, &[], 5, Nothing;
    Snapshot "snapshot" Sync (0, 0), FRAME, false, &[], 4, Nothing;
    SnapshotInherited "snapshot inherited" Sync (0, 0), FRAME, false, &[], 1, Nothing;
    Enter "enter" Sync (0, 0), FRAME, false, &[Sync], 6, Nothing;
    Wrap "wrap" Sync (0, 0), CLOSURE, false, &[Sync], 4, Nothing;
    Rewrap "rewrap" Sync (0, 0), CLOSURE, false, &[], 4, Nothing;
    Call "call" Sync (0, 0), CLOSURE, false, &[], 10, Nothing;
    CallOnThread "call on a thread" Sync (0, 0), CLOSURE, false, &[], 4, Threads;
    Spawn "spawn" Sync (0, 0), TASK, false, &[Async], 14, Nothing;
    SpawnRoot "spawn_root" Sync (0, 0), TASK, false, &[Async], 2, Nothing;
    SpawnLocal "spawn_local" Sync (0, 0), TASK, false, &[Async], 5, Nothing;
    SpawnFromThread "spawn by a thread in" Sync (0, 0), TASK, false, &[Async], 2, Threads;
    SpawnBlocking "spawn_blocking" Sync (0, 0), TASK, false, &[Sync], 5, Nothing;
    DropHandle "drop" Sync (0, 0), TASK, false, &[], 4, Nothing;
    Abort "abort" Sync (0, 0), TASK, false, &[], 7, Nothing;
    AbortFromThread "abort by a thread" Sync (0, 0), TASK, false, &[], 2, Threads;
    SetTimeout "set_timeout" Sync (0, 0), None, false, &[Sync], 3, Nothing;
    CancelTimeout "set_timeout, cancel" Sync (0, 0), None, true, &[Sync], 2, Nothing;
    SetInterval "set_interval" Sync (0, 0), None, true, &[Sync], 1, Nothing;
    Unpolled "scope, unpolled" Sync (1, 2), None, false, &[], 1, Nothing;

    // The hours are their times.
    RunWithin "run within" Sync (0, 0), None, true, &[Sync], 4, Nothing;
    RunPast "run past a deadline" Sync (0, 0), None, false, &[Sync], 4, Nothing;
    RunShielded "run shielded" Sync (0, 0), None, false, &[Sync], 3, Nothing;
    NewScope "cancel scope" Sync (0, 0), SCOPE, false, &[], 4, Nothing;
    RunIn "run in" Sync (0, 0), SCOPE, false, &[Sync], 8, Nothing;
    Cancel "cancel" Sync (0, 0), SCOPE, false, &[], 7, Nothing;
    CancelFromThread "cancel by a thread" Sync (0, 0), SCOPE, false, &[], 1, Threads;
    OnCancel "on_cancel" Sync (0, 0), None, false, &[], 4, Nothing;

    Yield "yield" Async (0, 0), None, false, &[], 8, Nothing;
    Sleep "sleep" Async (0, 0), None, false, &[], 4, Nothing;
    Scope "scope" Async (1, 2), None, false, &[Async], 14, Nothing;
    ScopeWithout "scope without" Async (1, 2), None, false, &[Async], 4, Nothing;
    ScopeWithoutFlow "scope without flow" Async (0, 0), None, false, &[Async], 3, Nothing;
    MadeUnder "made under the first" Async (1, 2), None, false, &[Async], 4, Nothing;
    Moved "begun under the first" Async (1, 2), None, false, &[Sync, Async], 4, Nothing;
    InFrame "in frame" Async (0, 0), FRAME, false, &[Async], 6, Nothing;
    Await "await" Async (0, 0), TASK, false, &[], 20, Nothing;
    AbortParked "spawn, park, abort" Async (0, 1), None, false, &[Async], 5, Nothing;
    AbortParkedFromThread "spawn, park, abort by a thread" Async
        (0, 0), None, false, &[Async], 1, Threads;
    LeaveParked "spawn, park" Async (0, 0), None, false, &[Async], 3, Nothing;
    AbortAtOnce "spawn, abort" Async (0, 1), None, false, &[Async], 4, Nothing;
    Join "join" Async (0, 2), None, false, &[Async, Async], 5, Nothing;
    Unordered "unordered" Async (0, 2), None, false, &[Async, Async], 3, Nothing;
    Select "select" Async (0, 2), None, true, &[Async, Sync], 4, Nothing;
    Elapse "timeout" Async (0, 0), None, false, &[Sync], 3, Nothing;
    WithinLimit "long timeout" Async (0, 0), None, false, &[Async], 2, Nothing;
    RaceLimit "racing timeout" Async (0, 0), None, true, &[Async], 3, Nothing;
    KeepWaker "keep waker" Async (0, 0), None, false, &[], 3, Nothing;
    ForeignWaker "foreign waker" Async (1, 2), None, false, &[], 2, Nothing;
    Interval "interval" Async (0, 0), None, true, &[Sync], 2, Nothing;
    Channel "channel" Async (0, 1), None, true, &[], 5, Nothing;
    Stream "stream" Async (1, 1), None, true, &[Sync, Sync], 4, Nothing;
    BlockInPlace "block_in_place" Async (0, 0), None, false, &[Sync], 1, Nothing;
    LocalSet "local set" Async (0, 0), None, false, &[Async], 3, NestedBlockOn;
    ScopeWithin "scope within" Async (0, 0), None, true, &[Async], 5, Nothing;
    ScopePast "scope past a deadline" Async (0, 0), None, false, &[Async], 6, Nothing;
    Shield "scope shielded" Async (0, 0), None, false, &[Async], 4, Nothing;
    ScopeIn "scope in" Async (0, 0), SCOPE, false, &[Async], 18, Nothing;
    Obey "obey" Async (0, 0), None, false, &[], 6, Nothing;
    // Their bindings are those of one more child.
    TaskScope "task scope" Async (1, 1), None, true, &[Async, Async, Async], 7, Nothing;
    FirstOf "task scope, first" Async (1, 1), None, true, &[Async, Async], 5, Nothing;
    AbortOnDrop "spawn, park, drop to abort" Async (0, 1), None, false, &[Async], 4, Nothing;
    Released "spawn, finished" Async (1, 1), None, false, &[], 3, Nothing;
}

impl Op {
    /// Returns `true` if the values of the statement's bindings must report their drop.
    pub(crate) fn is_counted(self) -> bool {
        matches!(self, Op::Released | Op::TaskScope | Op::FirstOf)
    }

    /// Returns the unit of the statement's times.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Op::RunWithin | Op::ScopeWithin => "hours",
            _ => "times",
        }
    }
}

/// A whole program.
#[derive(Clone)]
pub(crate) struct Program(pub(crate) Node);

impl Program {
    /// Numbers the statements in reading order.
    pub(crate) fn number(&mut self) {
        fn visit(node: &mut Node, next: &mut u32) {
            node.id = *next;
            *next += 1;
            for block in &mut node.blocks {
                for node in Arc::make_mut(block) {
                    visit(node, next);
                }
            }
        }
        visit(&mut self.0, &mut 0);
    }

    /// Returns the number of statements, without the program itself.
    pub(crate) fn len(&self) -> usize {
        fn count(node: &Node) -> usize {
            let inner = node.blocks.iter().flat_map(|block| block.iter());
            1 + inner.map(count).sum::<usize>()
        }
        count(&self.0) - 1
    }

    pub(crate) fn find(&self, id: u32) -> Option<&Node> {
        fn find(node: &Node, id: u32) -> Option<&Node> {
            if node.id == id {
                return Some(node);
            }
            let mut inner = node.blocks.iter().flat_map(|block| block.iter());
            inner.find_map(|node| find(node, id))
        }
        find(&self.0, id)
    }
}

impl Node {
    /// Returns the printed form of the statement without its blocks.
    pub(crate) fn head(&self) -> String {
        let shape = self.op.shape();
        let mut head = format!("#{} {}", self.id, shape.name);
        if let Some(slot) = shape.slot {
            let letter = match slot {
                Slot::Frame => 'f',
                Slot::Closure => 'c',
                Slot::Task => 't',
                Slot::Scope => 's',
            };
            head += &format!(" {letter}{}", self.slot);
        }
        if self.op == Op::SpawnFromThread {
            head += &format!(" in f{}", self.slot);
        }
        for (index, bind) in self.binds.iter().enumerate() {
            let chained = if bind.chained {
                " (holds its frame)"
            } else {
                ""
            };
            head += &format!(" {}={}{chained}", bind.var.name(), self.value(index));
        }
        if shape.times {
            head += &format!(" {} {}", self.times, self.op.unit());
        }
        head
    }

    fn print(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        write!(f, "{:depth$}{}", "", self.head(), depth = depth * 2)?;
        for block in &self.blocks {
            if block.is_empty() {
                f.write_str(" {}")?;
                continue;
            }
            f.write_str(" {\n")?;
            for node in block.iter() {
                node.print(f, depth + 1)?;
                f.write_str("\n")?;
            }
            write!(f, "{:depth$}}}", "", depth = depth * 2)?;
        }
        Ok(())
    }
}

/// The readable form of the program, in which the property prints a failing case.
impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\n")?;
        self.0.print(f, 0)
    }
}
