//! Checks of a table: its totals, and everything that makes the command fail.

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::sites::{Listed, Site};
use crate::table::{Outcome, Row};

/// How many rows there are of each outcome.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) killed: usize,
    pub(crate) timed_out: usize,
    pub(crate) argued: usize,
    pub(crate) survivors: usize,
    /// Unreached sites; these are not mutants.
    pub(crate) unreached: usize,
}

impl Counts {
    pub(crate) fn of(rows: &[Row]) -> Self {
        let mut counts = Self::default();
        for row in rows {
            match row.outcome {
                Outcome::Killed(_) => counts.killed += 1,
                Outcome::TimedOut(_) => counts.timed_out += 1,
                Outcome::Argued(_) => counts.argued += 1,
                Outcome::Survives => counts.survivors += 1,
                Outcome::Unreached => counts.unreached += 1,
                Outcome::Reached => {}
            }
        }
        counts
    }

    pub(crate) fn mutants(&self) -> usize {
        self.killed + self.timed_out + self.argued + self.survivors
    }
}

/// Returns the totals at the top of the table.
pub(crate) fn totals(rows: &[Row], listed: &Listed) -> String {
    let counts = Counts::of(rows);
    let sites = &listed.sites;
    let ordered = sites.iter().filter(|site| !site.orderings.is_empty());
    let is_notification = |site: &&Site| {
        matches!(
            site.operation.as_str(),
            "notify_one" | "notify_all" | "unpark"
        )
    };
    let (ordered, notifications) = (
        ordered.count(),
        sites.iter().filter(is_notification).count(),
    );
    let mut text = String::new();
    let _ = writeln!(
        text,
        "- Sites: {} ({ordered} atomic operations and fences, {notifications} notifications, {} locks and \
         waits); reached: {}; unreached: {}.",
        sites.len(),
        sites.len() - ordered - notifications,
        sites.len() - counts.unreached,
        counts.unreached,
    );
    let _ = writeln!(
        text,
        "- Mutants: {}; killed: {}, {} of them by time-out; argued: {}; surviving: {}.",
        counts.mutants(),
        counts.killed + counts.timed_out,
        counts.timed_out,
        counts.argued,
        counts.survivors,
    );
    for (file, count) in &listed.exempt {
        let _ = writeln!(
            text,
            "- Not the facade's, so no model can see them: {count} in `{file}`."
        );
    }
    text
}

/// Returns all problems of the table.
pub(crate) fn problems(rows: &[Row], listed: &Listed) -> Vec<String> {
    let mut problems = Vec::new();
    let places: HashMap<_, &Site> = listed
        .sites
        .iter()
        .map(|site| ((&site.file, &site.function, site.title()), site))
        .collect();
    for Row { key, outcome } in rows {
        let site = places[&(&key.file, &key.function, key.operation.clone())];
        let what = format!("{}: {} {}", site.place(), site.operation, site.ordering());
        match outcome {
            Outcome::Unreached => problems.push(format!("{what}: no model reaches it")),
            Outcome::Survives => problems.push(format!(
                "{what}: {}: survives every model, and the source has no `Survives:` argument",
                key.label
            )),
            _ => {}
        }
    }
    for site in &listed.sites {
        for argument in &site.arguments {
            let argued = |row: &&Row| {
                row.key.label == argument.label && matches!(row.outcome, Outcome::Argued(_))
            };
            let mut rows = rows.iter().filter(|row| {
                (&row.key.file, &row.key.function) == (&site.file, &site.function)
                    && row.key.operation == site.title()
            });
            if !rows.any(|row| argued(&row)) {
                problems.push(format!(
                    "{}: the source argues that {} survives, but a model detects it or a milder mutant",
                    site.place(),
                    argument.label
                ));
            }
        }
    }
    for place in &listed.stray_arguments {
        problems.push(format!(
            "{place}: this `Survives:` argument matches no mutant"
        ));
    }
    problems
}
