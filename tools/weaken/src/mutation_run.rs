//! A run of loom mutation testing: each mutant against the models that reach its site, until a
//! model fails.
//!
//! Owns the order of the models: first the model that killed the mutant in the last run, so that an
//! unchanged crate gives an unchanged table, then the cheap models.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::each::each;
use crate::models::Model;
use crate::mutation::{Mutation, mutations};
use crate::process::Ended;
use crate::sites::Site;
use crate::table::{Key, Outcome, Row};

/// The inputs of a run.
pub(crate) struct MutationRun<'a> {
    pub(crate) models: &'a [Model],
    /// The rows of the existing table.
    pub(crate) before: &'a HashMap<Key, Outcome>,
    /// The places that the models reached.
    pub(crate) reached: &'a HashSet<(String, u32, u32)>,
    /// Returns `true` if the mutants of this file run; other files keep the table's results.
    pub(crate) runs: &'a (dyn Fn(&str) -> bool + Sync),
    pub(crate) limit: Duration,
    pub(crate) jobs: usize,
}

impl MutationRun<'_> {
    /// Returns the rows of all sites in their order, and the problems.
    pub(crate) fn rows(&self, sites: &[Site]) -> (Vec<Row>, Vec<String>) {
        // Start the long sites first, so that all processes finish at about the same time.
        let mut order: Vec<usize> = (0..sites.len()).collect();
        order.sort_by_key(|&index| std::cmp::Reverse(self.estimate(&sites[index])));
        let results = each(&order, self.jobs, |&index| self.of_site(&sites[index]));
        let mut results: Vec<_> = order.into_iter().zip(results).collect();
        results.sort_by_key(|(index, _)| *index);

        let mut rows = Vec::new();
        let mut problems = Vec::new();
        for (_, result) in results {
            match result {
                Ok(mut of_site) => rows.append(&mut of_site),
                Err(problem) => problems.push(problem),
            }
        }
        (rows, problems)
    }

    /// Returns the expected time of the site's mutants if each ends like in the last run.
    fn estimate(&self, site: &Site) -> Duration {
        if !(self.runs)(&site.file) {
            return Duration::ZERO;
        }
        let there = self.models.iter().filter(|model| reaches(model, site));
        let all: Duration = there.map(|model| model.cost).sum();
        let of_mutant = |mutation: &Mutation| {
            let Some(Outcome::Killed(killer) | Outcome::TimedOut(killer)) =
                self.before.get(&Key::new(site, &mutation.label))
            else {
                return all;
            };
            let killer = self.models.iter().find(|model| model.name() == *killer);
            killer.map_or(all, |model| model.cost)
        };
        // A mutant without a row is new, or weaker than a killed mutant.
        let has_row = |mutation: &&Mutation| {
            mutation.after.is_empty() || self.before.contains_key(&Key::new(site, &mutation.label))
        };
        mutations(site).iter().filter(has_row).map(of_mutant).sum()
    }

    fn of_site(&self, site: &Site) -> Result<Vec<Row>, String> {
        let row = |label: &str, outcome| Row {
            key: Key::new(site, label),
            outcome,
        };
        let place = (site.file.clone(), site.line, site.column);
        if !self.reached.contains(&place) {
            return Ok(vec![row("-", Outcome::Unreached)]);
        }
        let mutations = mutations(site);
        if mutations.is_empty() {
            return Ok(vec![row("-", Outcome::Reached)]);
        }
        let mut rows: Vec<Row> = Vec::new();
        for mutation in mutations {
            let survived = |label: &String| {
                let row = rows.iter().find(|row| row.key.label == *label);
                row.is_some_and(|row| matches!(row.outcome, Outcome::Argued(_) | Outcome::Survives))
            };
            if mutation.after.iter().all(survived) {
                let outcome = self.of_mutant(site, &mutation)?;
                rows.push(row(&mutation.label, outcome));
            }
        }
        Ok(rows)
    }

    fn of_mutant(&self, site: &Site, mutation: &Mutation) -> Result<Outcome, String> {
        let key = Key::new(site, &mutation.label);
        let before = self.before.get(&key);
        let outcome = if (self.runs)(&site.file) {
            let outcome = self.run(site, mutation, before)?;
            eprintln!("{}: {}: {outcome:?}", site.place(), mutation.label);
            Some(outcome)
        } else {
            before.cloned()
        };
        match outcome {
            None | Some(Outcome::Reached | Outcome::Unreached) => Err(format!(
                "{}: the table has no row for {} {}, {}: run the mutants of this file with --run",
                site.place(),
                site.operation,
                site.ordering(),
                mutation.label
            )),
            // Only the source decides whether a survivor is argued.
            Some(Outcome::Survives | Outcome::Argued(_)) => {
                let mut arguments = site.arguments.iter();
                let argument = arguments.find(|argument| argument.label == mutation.label);
                Ok(argument.map_or(Outcome::Survives, |argument| {
                    Outcome::Argued(argument.reason.clone())
                }))
            }
            Some(killed) => Ok(killed),
        }
    }

    fn run(
        &self,
        site: &Site,
        mutation: &Mutation,
        before: Option<&Outcome>,
    ) -> Result<Outcome, String> {
        let killer = match before {
            Some(Outcome::Killed(model) | Outcome::TimedOut(model)) => model.as_str(),
            _ => "",
        };
        let mut models: Vec<&Model> = self
            .models
            .iter()
            .filter(|model| reaches(model, site))
            .collect();
        // Compare costs by magnitude, because measured times vary from run to run.
        let cost = |model: &Model| model.cost.as_millis().checked_ilog2();
        models.sort_by_key(|model| (model.name() != killer, cost(model), model.name()));
        let mut timed_out = None;
        for model in models {
            let limit = self.limit.max(model.cost * 20);
            match model.run(&site.place(), &mutation.change, limit) {
                Ok(Ended::Passed) => {}
                Ok(Ended::Failed) => return Ok(Outcome::Killed(model.name())),
                Ok(Ended::TimedOut) => {
                    timed_out.get_or_insert_with(|| model.name());
                }
                Err(error) => return Err(format!("{}: {error}", model.name())),
            }
        }
        Ok(timed_out.map_or(Outcome::Survives, Outcome::TimedOut))
    }
}

/// Returns `true` if the model reaches the site.
pub(crate) fn reaches(model: &Model, site: &Site) -> bool {
    model.reached.iter().any(|reached| {
        (reached.line, reached.column) == (site.line, site.column) && reached.file == site.file
    })
}
