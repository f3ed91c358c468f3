//! What a suite found, item by item.

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
    /// What is under test has not the ability that the item is about; the text says which.
    NotApplicable(String),
}

impl From<CheckResult> for Outcome {
    fn from(result: CheckResult) -> Self {
        match result {
            Ok(()) => Outcome::Held,
            Err(CheckError::Failed(failure)) => Outcome::Failed(failure),
            Err(CheckError::NotApplicable(why)) => Outcome::NotApplicable(why),
        }
    }
}

/// A check's outcome, with what was checked.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The item of the contract.
    pub item: Item,
    /// The check's name, which is also that of its `#[test]`.
    pub check: &'static str,
    /// The frame that the check started in.
    pub start: StartFrame,
    /// How it ended.
    pub outcome: Outcome,
}

/// What a suite found. `Display` prints it, failures first.
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

    /// The name of what was under test.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Every finding, in the order of the checks.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The findings about one item.
    pub fn of(&self, item: Item) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |found| found.item == item)
    }

    /// The state of an item.
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

    /// The items in a state.
    pub fn items(&self, state: ItemState) -> Vec<Item> {
        Item::all()
            .filter(|&item| self.state(item) == state)
            .collect()
    }

    /// Whether nothing failed.
    pub fn is_conformant(&self) -> bool {
        self.failures().next().is_none()
    }

    /// Each finding that is a failure.
    pub fn failures(&self) -> impl Iterator<Item = (&Finding, &Failure)> {
        self.findings
            .iter()
            .filter_map(|found| match &found.outcome {
                Outcome::Failed(failure) => Some((found, failure)),
                _ => None,
            })
    }

    /// An item's failures, each check's once for each likely cause, with the start frames in which
    /// it failed.
    fn told(&self, item: Item) -> Vec<(&Finding, &Failure, Vec<String>)> {
        let mut told: Vec<(&Finding, &Failure, Vec<String>)> = Vec::new();
        for (found, failure) in self.failures().filter(|(found, _)| found.item == item) {
            let same = told.iter_mut().find(|(other, known, _)| {
                other.check == found.check && known.cause == failure.cause
            });
            match same {
                Some((_, _, starts)) => starts.push(found.start.to_string()),
                None => told.push((found, failure, vec![found.start.to_string()])),
            }
        }
        told
    }

    /// The causes, where there are several: which one to look at first.
    fn fmt_causes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let causes = self.causes();
        if causes.len() < 2 {
            return Ok(());
        }
        writeln!(f, "  likely causes, the narrowest first:")?;
        for cause in causes {
            let items: Vec<_> = cause.items.iter().map(Item::to_string).collect();
            let refuted = if cause.is_refuted {
                "not likely, a check held that it would have broken: "
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
        let checked = crate::item::LAST_ITEM as usize - count(ItemState::Unchecked);
        let of_all = if checked == usize::from(crate::item::LAST_ITEM) {
            String::new()
        } else {
            format!(" (of the {} in the contract)", crate::item::LAST_ITEM)
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
            for (found, failure, starts) in self.told(item) {
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
