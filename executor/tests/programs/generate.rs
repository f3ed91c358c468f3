//! Makes random programs, as a strategy of proptest's.
//!
//! A program is grown from one seed, by weights and within a budget of statements, so making one is
//! cheap; how it is made smaller is `shrink.rs`'s.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::strategy::{NewTree, ValueTree};
use proptest::test_runner::TestRunner;

use crate::program::{Bind, Block, Kind, Needs, Node, Op, Program, SLOTS};
use crate::shrink::Shrinking;
use crate::variables::Var;

/// Blocks inside of blocks, at most.
const DEPTH_MAX: u32 = 5;

/// A strategy for programs.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    /// The most statements.
    pub(crate) statements: u32,
    /// What the runtime can do.
    pub(crate) can: fn(Needs) -> bool,
}

impl Programs {
    /// Every statement there is.
    pub(crate) fn all() -> Self {
        Self {
            statements: 24,
            can: |_| true,
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

/// The program of a seed.
pub(crate) fn generate(programs: &Programs, seed: u64) -> Program {
    let mut random = Random(seed);
    let budget = 1 + random.below(programs.statements);
    let mut growing = Growing {
        programs,
        random,
        budget,
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
        // The remainder's bias is of no account for limits as small as these.
        (self.next() % u64::from(limit)) as u32
    }
}

struct Growing<'a> {
    programs: &'a Programs,
    random: Random,
    /// Statements that may still be made.
    budget: u32,
}

impl Growing<'_> {
    fn block(&mut self, kind: Kind, depth: u32) -> Block {
        let mut nodes = Vec::new();
        // The outermost block takes what there is; inner ones leave something for the next.
        while self.budget > 0 && (depth == 1 || self.random.below(5) > 0) {
            self.budget -= 1;
            let op = self.op(kind, depth);
            let node = self.node(op, depth);
            let ends = op == Op::Panic;
            nodes.push(node);
            if ends {
                break;
            }
        }
        Arc::new(nodes)
    }

    fn op(&mut self, kind: Kind, depth: u32) -> Op {
        let fits = |op: &&Op| {
            let shape = op.shape();
            (kind == Kind::Async || shape.kind == Kind::Sync)
                && (depth < DEPTH_MAX || shape.blocks.is_empty())
                // At the outermost level a panic ends everything at once.
                && (depth > 1 || **op != Op::Panic)
                && (self.programs.can)(shape.needs)
        };
        let all = || Op::ALL.iter().filter(fits);
        let total = all().map(|op| op.shape().weight).sum();
        let mut place = self.random.below(total);
        for &op in all() {
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
        Node {
            id: 0,
            op,
            binds: (0..binds).map(|_| self.bind(op)).collect(),
            slot: self.random.below(SLOTS as u32) as u8,
            times: 1 + self.random.below(3) as u8,
            blocks: shape
                .blocks
                .iter()
                .map(|&kind| self.block(kind, depth + 1))
                .collect(),
        }
    }

    fn bind(&mut self, op: Op) -> Bind {
        let vars = if op == Op::Released {
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
