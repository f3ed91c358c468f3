//! The results of a suite, item by item.

use std::fmt;

use crate::check_result::{CheckError, CheckResult, Failure};
use crate::item::Item;
use crate::start_frame::StartFrame;

/// How one check ended, run in one start frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The item holds.
    Held,
    /// The item is broken.
    Failed(Failure),
    /// The subject under test lacks the ability that the item is about; the text says which.
    NotApplicable(String),
}

impl Outcome {
    // Not `From`, which would be public with a type that is not.
    pub(crate) fn new(result: CheckResult) -> Self {
        match result {
            Ok(()) => Outcome::Held,
            Err(CheckError::Failed(failure)) => Outcome::Failed(failure),
            Err(CheckError::NotApplicable(why)) => Outcome::NotApplicable(why),
        }
    }
}

/// The outcome of one check in one start frame.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Finding {
    /// The item of the contract.
    pub item: Item,
    /// The check's name, which is also the name of its `#[test]`.
    pub check: &'static str,
    /// The frame that the check started in.
    pub start: StartFrame,
    /// How it ended.
    pub outcome: Outcome,
}

/// The findings of a suite. `Display` prints them, failures first.
#[derive(Clone, Debug)]
pub struct Report {
    subject: String,
    findings: Vec<Finding>,
}

/// The state of an item, over all of its checks and start frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemState {
    /// Each check that applies held.
    Held,
    /// At least one check failed.
    Failed,
    /// No check applies.
    NotApplicable,
    /// The suite has no check for it.
    Unchecked,
}

impl Report {
    pub(crate) fn new(subject: String, findings: Vec<Finding>) -> Self {
        Self { subject, findings }
    }

    /// Returns the name of the subject under test.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Returns every finding, in the order of the checks.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Returns the findings about one item.
    pub fn of(&self, item: Item) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |found| found.item == item)
    }

    /// Returns the state of an item.
    pub fn state(&self, item: Item) -> ItemState {
        let mut state = ItemState::Unchecked;
        for found in self.of(item) {
            state = match (&found.outcome, state) {
                (Outcome::Failed(_), _) | (_, ItemState::Failed) => ItemState::Failed,
                (Outcome::Held, _) | (_, ItemState::Held) => ItemState::Held,
                (Outcome::NotApplicable(_), _) => ItemState::NotApplicable,
            };
        }
        state
    }

    /// Returns the items in a state.
    pub fn items(&self, state: ItemState) -> Vec<Item> {
        Item::all()
            .filter(|&item| self.state(item) == state)
            .collect()
    }

    /// Returns `true` if nothing failed.
    pub fn is_conformant(&self) -> bool {
        self.failures().next().is_none()
    }

    /// Returns each finding that is a failure.
    pub fn failures(&self) -> impl Iterator<Item = (&Finding, &Failure)> {
        self.findings
            .iter()
            .filter_map(|found| match &found.outcome {
                Outcome::Failed(failure) => Some((found, failure)),
                _ => None,
            })
    }

    /// Returns an item's failures: each check once per likely cause, with the start frames in which
    /// it failed.
    fn merged_failures(&self, item: Item) -> Vec<(&Finding, &Failure, Vec<String>)> {
        let mut merged: Vec<(&Finding, &Failure, Vec<String>)> = Vec::new();
        for (found, failure) in self.failures().filter(|(found, _)| found.item == item) {
            let same = merged.iter_mut().find(|(other, known, _)| {
                other.check == found.check && known.cause == failure.cause
            });
            match same {
                Some((_, _, starts)) => starts.push(found.start.to_string()),
                None => merged.push((found, failure, vec![found.start.to_string()])),
            }
        }
        merged
    }

    /// Writes the causes, if there are several, so that the user knows which one to fix first.
    fn fmt_causes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let causes = self.causes();
        if causes.len() < 2 {
            return Ok(());
        }
        writeln!(f, "  likely causes, the narrowest first:")?;
        for cause in causes {
            let items: Vec<_> = cause.items.iter().map(Item::to_string).collect();
            let refuted = if cause.is_refuted {
                "unlikely, since a check held that it would have broken: "
            } else {
                ""
            };
            writeln!(f, "    {}: {refuted}{}", items.join(", "), cause.text)?;
        }
        Ok(())
    }

    /// Panics with the report if an item is broken.
    ///
    /// # Panics
    ///
    /// Panics unless [`is_conformant`](Self::is_conformant).
    pub fn assert_conformant(&self) {
        assert!(self.is_conformant(), "{self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |state| self.items(state).len();
        let all = Item::all().count();
        let checked = all - count(ItemState::Unchecked);
        let of_all = if checked == all {
            String::new()
        } else {
            format!(" (of the {all} that the suite knows)")
        };
        writeln!(
            f,
            "{}: {} of {checked} items held{of_all}, {} failed, {} not applicable",
            self.subject,
            count(ItemState::Held),
            count(ItemState::Failed),
            count(ItemState::NotApplicable),
        )?;
        self.fmt_causes(f)?;
        for item in self.items(ItemState::Failed) {
            writeln!(f, "  {item} FAILED  {}", item.text())?;
            for (found, failure, starts) in self.merged_failures(item) {
                let starts = starts.join(", ");
                writeln!(f, "    {} ({starts})\n{failure}", found.check)?;
            }
        }
        for item in self.items(ItemState::NotApplicable) {
            let why = self.of(item).find_map(|found| match &found.outcome {
                Outcome::NotApplicable(why) => Some(why.as_str()),
                _ => None,
            });
            writeln!(f, "  {item} not applicable: {}", why.unwrap_or_default())?;
        }
        Ok(())
    }
}
