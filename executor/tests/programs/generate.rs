//! Generates random programs, as a strategy of proptest.
//!
//! A program is grown from one seed, by weights and within a budget of statements, so generation is
//! cheap. `shrink.rs` makes programs smaller.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::strategy::{NewTree, ValueTree};
use proptest::test_runner::TestRunner;

use crate::program::{Bind, Block, Kind, Needs, Node, Op, Program, SLOTS, Slot};
use crate::shrink::Shrinking;
use crate::variables::Var;

/// The maximum number of statements in an inner block, including nested blocks.
const INNER_MAX: u32 = 8;

/// The maximum nesting of blocks.
const DEPTH_MAX: u32 = 5;

/// A strategy for programs.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    /// The maximum number of statements.
    pub(crate) statements: u32,
    /// The capabilities of the runtime.
    pub(crate) can: fn(Needs) -> bool,
    /// The excluded statements.
    pub(crate) without: &'static [Op],
}

impl Programs {
    /// A strategy with every statement.
    pub(crate) fn all() -> Self {
        Self {
            statements: 24,
            can: |_| true,
            without: &[],
        }
    }

    /// A strategy for seeded runs, which support everything except additional threads.
    pub(crate) fn in_seeded_runs() -> Self {
        Self {
            can: |needs| needs != Needs::Threads,
            ..Self::all()
        }
    }
}

impl Strategy for Programs {
    type Tree = Shrinking;
    type Value = Program;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        let seed = any::<u64>().new_tree(runner)?.current();
        Ok(Shrinking::new(generate(self, seed)))
    }
}

/// Returns the program of a seed.
pub(crate) fn generate(programs: &Programs, seed: u64) -> Program {
    let mut random = Random(seed);
    let budget = 1 + random.below(programs.statements);
    let mut growing = Growing {
        programs,
        random,
        budget,
        filled: Filled::default(),
    };
    let mut program = Program(growing.node(Op::Program, 0));
    program.number();
    program
}

/// SplitMix64 (Steele, Lea and Flood, 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u32) -> u32 {
        // The bias of the remainder does not matter for such small limits.
        (self.next() % u64::from(limit)) as u32
    }
}

struct Growing<'a> {
    programs: &'a Programs,
    random: Random,
    /// The number of statements that may still be generated.
    budget: u32,
    filled: Filled,
}

/// The slots that are filled at the next statement, by kind, like in [`Slot`].
#[derive(Clone, Copy, Default)]
struct Filled([[bool; SLOTS]; 4]);

impl Filled {
    fn has(self, kind: Slot) -> bool {
        self.0[kind as usize].contains(&true)
    }

    /// Returns the slots inside a block. Where it has its own slots, it inherits only the frames.
    fn inside(self, op: Op, index: usize) -> Self {
        match op {
            Op::TaskScope if index == 2 => self,
            Op::Stream if index == 1 => self,
            Op::Run | Op::Catch | Op::CatchStd | Op::Enter | Op::Scope | Op::MadeUnder => self,
            Op::Moved | Op::InFrame | Op::Elapse | Op::Interval => self,
            Op::BlockInPlace | Op::RunWithout | Op::WithoutFlow => self,
            Op::ScopeWithout | Op::ScopeWithoutFlow => self,
            Op::RunWithin | Op::RunPast | Op::RunShielded | Op::RunIn => self,
            Op::ScopeWithin | Op::ScopePast | Op::Shield | Op::ScopeIn => self,
            _ => Self([
                self.0[Slot::Frame as usize],
                Default::default(),
                Default::default(),
                Default::default(),
            ]),
        }
    }
}

/// Returns `true` if a statement uses the content of a slot.
fn takes(op: Op) -> bool {
    let of_tasks = [Op::Await, Op::DropHandle, Op::Abort, Op::AbortFromThread];
    let of_others = [
        Op::Call,
        Op::CallOnThread,
        Op::Rewrap,
        Op::Enter,
        Op::InFrame,
    ];
    let of_scopes = [Op::RunIn, Op::ScopeIn, Op::Cancel, Op::CancelFromThread];
    of_tasks.contains(&op) || of_others.contains(&op) || of_scopes.contains(&op)
}

impl Growing<'_> {
    fn block(&mut self, kind: Kind, depth: u32) -> Block {
        // The outermost block uses the whole budget; inner blocks leave some for the next block.
        let kept = match depth {
            1 => 0,
            _ => self.budget - self.random.below(self.budget.min(INNER_MAX) + 1),
        };
        let mut nodes = Vec::new();
        while self.budget > kept {
            self.budget -= 1;
            let op = self.op(kind, depth);
            nodes.push(self.node(op, depth));
            if op == Op::Panic {
                break;
            }
        }
        Arc::new(nodes)
    }

    fn op(&mut self, kind: Kind, depth: u32) -> Op {
        let (filled, programs) = (self.filled, self.programs);
        let fits = |op: Op| {
            let shape = op.shape();
            (kind == Kind::Async || shape.kind == Kind::Sync)
                && (depth < DEPTH_MAX || shape.blocks.is_empty())
                // At the outermost level, a panic would end the program at once.
                && (depth > 1 || op != Op::Panic)
                && (programs.can)(shape.needs)
                && !programs.without.contains(&op)
                && (!takes(op) || shape.slot.is_some_and(|slot| filled.has(slot)))
        };
        // Filled slots are often used soon.
        let takes_now =
            self.random.below(2) == 0 && Op::ALL.iter().any(|&op| takes(op) && fits(op));
        let all = || {
            Op::ALL
                .iter()
                .copied()
                .filter(|&op| fits(op) && (takes(op) || !takes_now))
        };
        let total = all().map(|op| op.shape().weight).sum();
        let mut place = self.random.below(total);
        for op in all() {
            match place.checked_sub(op.shape().weight) {
                Some(rest) => place = rest,
                None => return op,
            }
        }
        unreachable!("the place is below the sum of the weights")
    }

    fn node(&mut self, op: Op, depth: u32) -> Node {
        let shape = op.shape();
        let (least, most) = shape.binds;
        let binds = least + self.random.below((most - least + 1) as u32) as usize;
        let slot = self.slot(op);
        let blocks = shape.blocks.iter().enumerate().map(|(index, &kind)| {
            let around = self.filled;
            self.filled = around.inside(op, index);
            let block = self.block(kind, depth + 1);
            // Do not rely on slots that an inner block has filled.
            self.filled = around;
            block
        });
        let blocks = blocks.collect();
        Node {
            id: 0,
            op,
            binds: (0..binds).map(|_| self.bind(op)).collect(),
            slot: slot as u8,
            times: 1 + self.random.below(3) as u8,
            blocks,
        }
    }

    /// Chooses a filled slot for a statement that takes from it; for others an empty one, if there
    /// is one.
    fn slot(&mut self, op: Op) -> usize {
        let any = self.random.below(SLOTS as u32) as usize;
        let Some(kind) = op.shape().slot else {
            return any;
        };
        let slots = &mut self.filled.0[kind as usize];
        let wanted = takes(op);
        let slot = (0..SLOTS).map(|step| (any + step) % SLOTS);
        let slot = slot
            .clone()
            .find(|&slot| slots[slot] == wanted)
            .unwrap_or(any);
        slots[slot] = !matches!(op, Op::Await | Op::DropHandle);
        slot
    }

    fn bind(&mut self, op: Op) -> Bind {
        let vars = if op.is_counted() {
            Var::COUNTED
        } else {
            Var::ALL
        };
        Bind {
            var: vars[self.random.below(vars.len() as u32) as usize],
            chained: self.random.below(6) == 0,
        }
    }
}
