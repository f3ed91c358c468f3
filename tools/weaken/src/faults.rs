//! The list of seeded faults: every ordering that can be weakened in the source text. One line
//! each, six fields separated by tabs. A script can apply each fault to a copy and show that it is
//! detected.
//!
//! Owns the list's format. It changes no source.

use std::fmt::Write as _;

use crate::mutation::{Mutation, mutations};
use crate::sites::Site;
use crate::table::{Outcome, Row};

/// Lists the file, line and column of each ordering, the ordering, the weaker ordering, and the
/// model that detects it (`-` if the source argues that none does).
pub(crate) fn list(sites: &[Site], rows: &[Row], is_named: impl Fn(&str) -> bool) -> String {
    let mut text = String::new();
    for site in sites.iter().filter(|site| is_named(&site.file)) {
        for mutation in mutations(site) {
            let Some((which, to)) = mutation.change.split_once('=') else {
                continue;
            };
            let index = usize::from(which == "failure");
            let Some((line, column)) = site.written.get(index) else {
                continue;
            };
            let _ = writeln!(
                text,
                "{}\t{line}\t{column}\t{}\t{to}\t{}",
                site.file,
                site.orderings[index],
                killer(site, &mutation, rows).unwrap_or("-")
            );
        }
    }
    text
}

/// Returns the model that detects the mutation. A mutation that is weaker than a killed mutant has
/// no row of its own and has the same killer.
fn killer<'a>(site: &Site, mutation: &Mutation, rows: &'a [Row]) -> Option<&'a str> {
    let mut labels = std::iter::once(&mutation.label).chain(&mutation.after);
    labels.find_map(|label| {
        let is_it = |row: &&Row| {
            row.key.label == *label
                && (&row.key.file, &row.key.function) == (&site.file, &site.function)
                && row.key.operation == site.title()
        };
        match &rows.iter().find(is_it)?.outcome {
            Outcome::Killed(model) | Outcome::TimedOut(model) => Some(model.as_str()),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Key;

    #[test]
    fn each_ordering_and_its_killer() {
        let site = Site {
            file: "a.rs".to_owned(),
            line: 3,
            column: 9,
            function: "f".to_owned(),
            operation: "compare_exchange".to_owned(),
            number: 1,
            orderings: vec!["AcqRel".to_owned(), "Acquire".to_owned()],
            written: vec![(3, 40), (4, 12)],
            arguments: Vec::new(),
        };
        let row = |label: &str, outcome| Row {
            key: Key::new(&site, label),
            outcome,
        };
        let rows = [
            row("success AcqRel -> Release", Outcome::Killed("t::a".into())),
            row("success AcqRel -> Acquire", Outcome::Argued("so".into())),
            row("failure Acquire -> Relaxed", Outcome::Killed("t::b".into())),
        ];
        let sites = std::slice::from_ref(&site);
        assert_eq!(
            list(sites, &rows, |_| true),
            "a.rs\t3\t40\tAcqRel\tRelease\tt::a\n\
             a.rs\t3\t40\tAcqRel\tAcquire\t-\n\
             a.rs\t3\t40\tAcqRel\tRelaxed\tt::a\n\
             a.rs\t4\t12\tAcquire\tRelaxed\tt::b\n"
        );
        assert!(list(sites, &rows, |file| file == "b.rs").is_empty());
    }
}
