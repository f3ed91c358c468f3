//! Makes a failing program smaller.
//!
//! For every statement, tries in turn to remove it, to replace it with its block, and to simplify
//! its details. A change is kept if the program still fails, and the rounds continue until no
//! change helps.

use std::sync::Arc;

use proptest::strategy::ValueTree;

use crate::program::{Block, Kind, Node, Op, Program};
use crate::variables::Var;

/// A program that is being shrunk.
pub(crate) struct Shrinking {
    current: Program,
    /// The program before the last edit, until it is known whether `current` fails, too.
    before: Option<Program>,
    /// The next edit.
    edit: usize,
    /// `true` if an edit of this round was kept.
    kept: bool,
}

impl Shrinking {
    pub(crate) fn new(program: Program) -> Self {
        Self {
            current: program,
            before: None,
            edit: 0,
            kept: false,
        }
    }

    /// Tries the next edit on the current program.
    fn advance(&mut self) -> bool {
        loop {
            match edited(&self.current, self.edit) {
                Edited::Some(program) => {
                    self.before = Some(std::mem::replace(&mut self.current, program));
                    return true;
                }
                Edited::Nothing => self.edit += 1,
                Edited::Over if self.kept => {
                    self.edit = 0;
                    self.kept = false;
                }
                Edited::Over => return false,
            }
        }
    }
}

impl ValueTree for Shrinking {
    type Value = Program;

    fn current(&self) -> Program {
        self.current.clone()
    }

    /// The current program fails.
    fn simplify(&mut self) -> bool {
        if self.before.take().is_some() {
            // The next statement now has this number, so try the same edit again.
            self.kept = true;
        }
        self.advance()
    }

    /// The current program does not fail.
    fn complicate(&mut self) -> bool {
        let Some(before) = self.before.take() else {
            return false;
        };
        self.current = before;
        self.edit += 1;
        self.advance()
    }
}

enum Edited {
    Some(Program),
    /// This edit would change nothing.
    Nothing,
    /// There are no more edits.
    Over,
}

/// The number of edits per statement.
const EDITS: usize = 12;

fn edited(program: &Program, edit: usize) -> Edited {
    let len = program.len() + 1;
    // Try to remove every statement before any is simplified.
    let (kind, id) = (edit / len, edit % len);
    if kind == EDITS {
        return Edited::Over;
    }
    let mut changed = program.clone();
    let done = if id == 0 {
        plainer(&mut changed.0, kind)
    } else {
        in_blocks(&mut changed.0, id as u32, kind)
    };
    if !done {
        return Edited::Nothing;
    }
    changed.number();
    Edited::Some(changed)
}

/// Finds the statement in the blocks of `node` and edits it.
fn in_blocks(node: &mut Node, id: u32, kind: usize) -> bool {
    for (block, &of) in node.blocks.iter_mut().zip(node.op.shape().blocks) {
        let Some(place) = block.iter().rposition(|node| node.id <= id) else {
            continue;
        };
        let nodes = Arc::make_mut(block);
        if nodes[place].id == id {
            return edit_at(nodes, place, of, kind);
        }
        if in_blocks(&mut nodes[place], id, kind) {
            return true;
        }
    }
    false
}

fn edit_at(nodes: &mut Vec<Node>, place: usize, of: Kind, kind: usize) -> bool {
    let node = &mut nodes[place];
    match kind {
        0 => {
            nodes.remove(place);
            true
        }
        // Replace the statement with its block.
        1..=3 => {
            let Some(inner) = node.blocks.get(kind - 1) else {
                return false;
            };
            if of == Kind::Sync && node.op.shape().blocks[kind - 1] == Kind::Async {
                return false;
            }
            let inner: Block = Arc::clone(inner);
            nodes.splice(place..=place, inner.iter().cloned());
            true
        }
        4 => replace(
            node,
            Op::Spawn,
            &[
                Op::SpawnLocal,
                Op::SpawnRoot,
                Op::SpawnFromThread,
                Op::AbortAtOnce,
                Op::AbortParked,
                Op::LeaveParked,
                Op::AbortOnDrop,
            ],
        ),
        5 => replace(node, Op::Catch, &[Op::CatchStd]) || replace(node, Op::Join, &[Op::Unordered]),
        6 => {
            replace(node, Op::AbortParked, &[Op::AbortParkedFromThread])
                || replace(node, Op::Cancel, &[Op::CancelFromThread])
        }
        _ => plainer(node, kind),
    }
}

fn replace(node: &mut Node, by: Op, which: &[Op]) -> bool {
    let fits = which.contains(&node.op);
    if fits {
        node.op = by;
        node.binds.truncate(by.shape().binds.1);
    }
    fits
}

/// Simplifies the details of a statement.
fn plainer(node: &mut Node, kind: usize) -> bool {
    let shape = node.op.shape();
    match kind {
        7 if node.binds.len() > shape.binds.0 => {
            node.binds.pop();
        }
        8 if node.binds.len() > shape.binds.0 => {
            node.binds.remove(0);
        }
        9 if node.binds.iter().any(|bind| bind.chained) => {
            node.binds.iter_mut().for_each(|bind| bind.chained = false);
        }
        10 => {
            let plainest = if node.op.is_counted() {
                Var::SHARED
            } else {
                Var::NUMBER
            };
            let Some(bind) = node.binds.iter_mut().find(|bind| bind.var != plainest) else {
                return false;
            };
            bind.var = plainest;
        }
        11 if shape.times && node.times > 1 => node.times = 1,
        _ => return false,
    }
    true
}
