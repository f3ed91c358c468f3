//! Parses printed programs, so that a failed program can be run again and kept.

use std::sync::Arc;

use crate::program::{Bind, Node, Op, Program};
use crate::variables::Var;

/// Parses one program. Panics with the position if the text is malformed.
pub(crate) fn parse(text: &str) -> Program {
    let mut words = Words {
        words: text.split_whitespace().collect(),
        next: 0,
    };
    let mut program = Program(words.node());
    assert_eq!(words.peek(), None, "there is something behind the program");
    program.number();
    program
}

struct Words<'t> {
    words: Vec<&'t str>,
    next: usize,
}

impl<'t> Words<'t> {
    fn peek(&self) -> Option<&'t str> {
        self.words.get(self.next).copied()
    }

    fn take(&mut self) -> &'t str {
        let word = self
            .peek()
            .expect("the program ends in the midst of a statement");
        self.next += 1;
        word
    }

    /// Consumes the words if they come next.
    fn take_if(&mut self, expected: &str) -> bool {
        let words: Vec<&str> = expected.split(' ').collect();
        let comes = self.words[self.next..].starts_with(&words);
        if comes {
            self.next += words.len();
        }
        comes
    }

    fn node(&mut self) -> Node {
        let number = self.take();
        assert!(
            number.starts_with('#'),
            "`{number}` is not the number of a statement"
        );
        let op = self.op();
        let shape = op.shape();
        let slot = shape.slot.map_or(0, |_| digits(self.take()));
        if op == Op::SpawnFromThread {
            self.take_if("in");
            self.take();
        }
        let mut binds = Vec::new();
        while let Some((name, _)) = self.peek().and_then(|word| word.split_once('=')) {
            self.take();
            let var = Var::ALL.iter().copied().find(|var| var.name() == name);
            binds.push(Bind {
                var: var.unwrap_or_else(|| panic!("`{name}` is not a variable")),
                chained: self.take_if("(holds its frame)"),
            });
        }
        let mut times = 1;
        if shape.times {
            times = digits(self.take());
            assert!(
                self.take_if(op.unit()),
                "`{}` is missing in {}",
                op.unit(),
                shape.name
            );
        }
        let blocks = shape.blocks.iter().map(|_| Arc::new(self.block()));
        Node {
            id: 0,
            op,
            binds,
            slot,
            times,
            blocks: blocks.collect(),
        }
    }

    /// Parses the statement kind with the longest matching name.
    fn op(&mut self) -> Op {
        let mut by_length = Op::ALL.to_vec();
        by_length.sort_by_key(|op| std::cmp::Reverse(op.shape().name.len()));
        let op = by_length
            .into_iter()
            .find(|op| self.take_if(op.shape().name));
        op.unwrap_or_else(|| panic!("no statement begins with `{}`", self.take()))
    }

    fn block(&mut self) -> Vec<Node> {
        if self.take_if("{}") {
            return Vec::new();
        }
        assert!(self.take_if("{"), "a block is missing");
        let mut nodes = Vec::new();
        while !self.take_if("}") {
            nodes.push(self.node());
        }
        nodes
    }
}

fn digits(word: &str) -> u8 {
    let digits = word.trim_start_matches(|letter: char| letter.is_ascii_lowercase());
    digits
        .parse()
        .unwrap_or_else(|_| panic!("`{word}` is not a number"))
}
