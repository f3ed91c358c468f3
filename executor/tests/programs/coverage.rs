//! Tests of the generator: its programs reach every statement and every outcome.

use std::collections::{BTreeMap, BTreeSet};

use crate::expect::{Note, Role};
use crate::generate::{Programs, generate};
use crate::harness::{observations, runtime};
use crate::program::Op;
use crate::work::Reason;

/// The number of generated programs.
const PROGRAMS: u64 = 4000;

/// The minimum number of times that each must be reached.
const LEAST: usize = 20;

#[test]
fn programs_come_to_every_statement_and_every_end() {
    let runtime = runtime(2);
    let mut ops: BTreeMap<&str, usize> = BTreeMap::new();
    let mut ends: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut roles: BTreeMap<Role, usize> = BTreeMap::new();
    for seed in 0..PROGRAMS {
        let program = generate(&Programs::all(), seed);
        for ((id, role), (_, note)) in observations(&runtime, &program) {
            let node = program.find(id).unwrap();
            let name = node.op.shape().name;
            *roles.entry(role).or_default() += 1;
            match role {
                Role::After => *ops.entry(name).or_default() += 1,
                Role::Ended | Role::EndedSecond | Role::Obeyed => {
                    let end = match note {
                        Note::Nothing => "not ended",
                        Note::Done => "done",
                        Note::Cancelled => "cancelled",
                        Note::Panicked(_) => "panicked",
                        Note::EndedBy(Reason::Deadline) => "ended by a deadline",
                        Note::EndedBy(Reason::Cancelled(_)) => "ended by a cancel",
                        Note::EndedBy(Reason::TaskScope) => "ended by its scope",
                        _ => "strange",
                    };
                    *ends.entry((name, end)).or_default() += 1;
                }
                _ => {}
            }
        }
    }
    println!("{ops:?}\n{ends:?}\n{roles:?}");
    assert!(roles[&Role::OnCancel] >= LEAST, "seldom called: {roles:?}");
    let never: BTreeSet<_> = Op::ALL
        .iter()
        .filter(|&&op| op != Op::Panic && op != Op::Program)
        .map(|op| op.shape().name)
        .filter(|name| ops.get(name).is_none_or(|&times| times < LEAST))
        .collect();
    assert!(never.is_empty(), "seldom or never come to: {never:?}");
    for (op, expected) in [
        ("program", &["done", "panicked"][..]),
        ("catch", &["done", "panicked"]),
        (
            "await",
            &["done", "panicked", "cancelled", "ended by a deadline"],
        ),
        (
            "obey",
            &["not ended", "ended by a deadline", "ended by a cancel"],
        ),
        (
            "timeout",
            &["not ended", "ended by a deadline", "ended by a cancel"],
        ),
        ("spawn, park, abort", &["panicked", "cancelled"]),
    ] {
        for &end in expected {
            assert!(ends.contains_key(&(op, end)), "`{op}` never ends so: {end}");
        }
    }
}
