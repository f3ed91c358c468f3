//! The kept programs, each of which runs on every runtime, many times. Programs that failed once
//! are added to `corpus.txt`.

use std::{env, fs};

use crate::generate::{Programs, generate};
use crate::harness::{ShutDown, check, check_seeded, check_to_the_end, runtime};
use crate::parse::parse;
use crate::program::{Needs, Node, Program};
use crate::real::faults::Fault;

/// The number of runs of each program on each runtime: many fail only through a race.
const ROUNDS: u64 = 20;

/// Parses the programs of a text. Empty lines separate them, and lines with `//` are comments.
fn programs(text: &str) -> Vec<Program> {
    let without_comments = |part: &str| {
        let lines = part
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        lines.collect::<Vec<_>>().join("\n")
    };
    let parts = text.split("\n\n").map(without_comments);
    parts
        .filter(|part| !part.trim().is_empty())
        .map(|part| parse(&part))
        .collect()
}

fn needs(program: &Program, what: Needs) -> bool {
    fn any(node: &Node, what: Needs) -> bool {
        let mut inner = node.blocks.iter().flat_map(|block| block.iter());
        node.op.shape().needs == what || inner.any(|node| any(node, what))
    }
    any(&program.0, what)
}

fn everywhere(program: &Program) -> Result<(), String> {
    for workers in [1, 2, 8] {
        let runtime = runtime(workers);
        for _ in 0..ROUNDS {
            check(&runtime, program, Fault::None)?;
        }
        check_to_the_end(workers, program, ShutDown::WhenCalm, Fault::None)?;
        if !needs(program, Needs::NestedBlockOn) {
            check_to_the_end(workers, program, ShutDown::AtOnce, Fault::None)?;
        }
    }
    if !needs(program, Needs::Threads) {
        check_seeded(program, 0..ROUNDS, ShutDown::WhenCalm, Fault::None)?;
        check_seeded(program, 0..ROUNDS, ShutDown::AtOnce, Fault::None)?;
    }
    Ok(())
}

/// With `FRAMEWISE_PROGRAM`, runs the printed programs of that file instead.
#[test]
fn kept_programs_see_what_the_model_says() {
    let text = match env::var("FRAMEWISE_PROGRAM") {
        Ok(file) => fs::read_to_string(file).unwrap(),
        Err(_) => include_str!("corpus.txt").to_owned(),
    };
    let programs = programs(&text);
    assert!(!programs.is_empty(), "there is no program");
    for program in programs {
        if let Err(why) = everywhere(&program) {
            panic!("{program:?}\n{why}");
        }
    }
}

#[test]
fn what_is_printed_can_be_read() {
    for seed in 0..500 {
        let program = generate(&Programs::all(), seed);
        let printed = format!("{program:?}");
        assert_eq!(format!("{:?}", parse(&printed)), printed);
    }
}
