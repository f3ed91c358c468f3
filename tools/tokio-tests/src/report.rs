//! The table, and what is not as the lists say.

use std::collections::{BTreeMap, BTreeSet};

use crate::lists::{Files, GROUPS, Kind, Known};
use crate::{Outcome, Outcomes};

#[derive(Default)]
struct Row {
    left_out: usize,
    applicable: usize,
    passed: usize,
    differ: usize,
    lack: usize,
}

/// Prints the table, each test that does not pass, and what the lists do not say. Returns `true` if
/// all is as they say.
pub(crate) fn print(
    files: &Files,
    taken: &BTreeSet<String>,
    known: &Known,
    results: &BTreeMap<String, Outcomes>,
) -> bool {
    let mut rows: BTreeMap<&str, Row> = BTreeMap::new();
    let mut failures = Vec::new();
    let mut unexpected = Vec::new();
    let mut missing: BTreeMap<&str, usize> = BTreeMap::new();
    let empty = Outcomes::new();
    for (name, file) in &files.files {
        let row = rows.entry(&file.group).or_default();
        if file.left_out.is_some() {
            row.left_out += file.tests;
            continue;
        }
        if !taken.contains(name) {
            continue;
        }
        let outcomes = results.get(name).unwrap_or(&empty);
        let ran = outcomes
            .values()
            .filter(|outcome| !matches!(outcome, Outcome::Lacks(_)));
        let lack = file.tests.saturating_sub(ran.count());
        let lacks: Vec<_> = outcomes
            .iter()
            .filter(|(_, outcome)| matches!(outcome, Outcome::Lacks(_)))
            .collect();
        row.lack += lack;
        if lack > 0 && lacks.is_empty() {
            unexpected.push(format!("{name} has {lack} tests less than files.txt says"));
        }
        for (test, outcome) in outcomes {
            let entry = known.of(name, test);
            let is_left_out = entry.is_some_and(|(kind, _)| *kind == Kind::LeftOut);
            if is_left_out {
                row.left_out += 1;
                continue;
            }
            let reason = entry.map(|(_, reason)| reason.as_str());
            match outcome {
                Outcome::Passed => row.passed += 1,
                Outcome::Failed(_) => row.differ += 1,
                Outcome::Lacks(lacking) => *missing.entry(lacking).or_default() += 1,
            }
            let varies = entry.is_some_and(|(kind, _)| *kind == Kind::Varies);
            let (kind, said) = match outcome {
                Outcome::Passed if varies => continue,
                Outcome::Passed if reason.is_some() => {
                    unexpected.push(format!(
                        "{name}::{test} passes, but differences.txt lists it"
                    ));
                    continue;
                }
                Outcome::Passed => continue,
                Outcome::Failed(said) => (Kind::Differs, said),
                // A helper function, whose users follow.
                Outcome::Lacks(said) => (Kind::Lacks, said),
            };
            let word = if kind == Kind::Differs {
                "differs"
            } else {
                "lacks"
            };
            match entry {
                Some((listed, reason)) if varies || *listed == kind => {
                    failures.push(format!("{word} {name}::{test}: {reason}"));
                }
                _ => {
                    failures.push(format!("{word} {name}::{test}: {said}"));
                    unexpected.push(format!(
                        "{name}::{test} {word}, and differences.txt does not say so: {said}"
                    ));
                }
            }
        }
        row.applicable += file.tests;
    }
    println!("group     applicable  pass  differ  lack a name      %  left out");
    let mut sum = Row::default();
    for group in GROUPS {
        let row = rows.entry(group).or_default();
        row.applicable = row.passed + row.differ + row.lack;
        print_row(group, row);
        sum.applicable += row.applicable;
        sum.passed += row.passed;
        sum.differ += row.differ;
        sum.lack += row.lack;
        sum.left_out += row.left_out;
    }
    print_row("all", &sum);
    let mut missing: Vec<_> = missing.into_iter().collect();
    missing.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    if !missing.is_empty() {
        println!("\nwhat is missing, and in how many functions:");
        for (name, count) in missing {
            println!("{count:4}  {name}");
        }
    }
    if !failures.is_empty() {
        println!("\nwhat does not pass:");
        failures.iter().for_each(|failure| println!("{failure}"));
    }
    if !unexpected.is_empty() {
        println!("\nnot as differences.txt says:");
        unexpected.iter().for_each(|line| println!("{line}"));
    }
    unexpected.is_empty()
}

fn print_row(name: &str, row: &Row) {
    let permille = (row.passed * 1000).checked_div(row.applicable);
    let percent = permille.map_or_else(String::new, |permille| {
        format!("{}.{}", permille / 10, permille % 10)
    });
    println!(
        "{name:<9} {:>10} {:>5} {:>7} {:>12} {percent:>6} {:>9}",
        row.applicable, row.passed, row.differ, row.lack, row.left_out
    );
}
