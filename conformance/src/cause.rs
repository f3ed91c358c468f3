//! Which causes a report names first.
//!
//! One fault breaks many items, and most checks know no more of it than what they have seen: where
//! nothing is bound, they take it that no frame is carried at all. Such a cause is **general**. It
//! has a witness, the check that would have failed as well: where the witness held, the general cause
//! is refuted, and another one explains the failure.

use std::cmp::Reverse;

use crate::item::Item;
use crate::report::{Outcome, Report};

/// What a general cause begins with, and the checks that fail if it is the right one.
const GENERAL: &[(&str, &[&str])] = &[
    ("no frame is carried", &["c25_captured_at_spawn"]),
    (
        "another frame is left on the thread",
        &[
            "c32_threads_are_at_the_root_between_polls",
            "c32_threads_are_at_the_root_after_a_panic",
        ],
    ),
];

/// A likely cause, and the items that it explains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// In the terms of the author of what is under test.
    pub text: String,
    /// The items that have a failure with this cause, in the order of the contract.
    pub items: Vec<Item>,
    /// What the cause assumes did not show where it would have: another cause is the right one.
    pub is_refuted: bool,
}

impl Report {
    /// The likely causes of the failures, the narrowest first: the one that is not refuted, names no
    /// other one besides, and explains the most items. Of those that explain as many, the first in
    /// the order of the contract.
    pub fn causes(&self) -> Vec<Cause> {
        let mut causes: Vec<Cause> = Vec::new();
        for (found, failure) in self
            .failures()
            .filter(|(_, failure)| !failure.cause.is_empty())
        {
            match causes.iter_mut().find(|cause| cause.text == failure.cause) {
                Some(cause) if cause.items.contains(&found.item) => {}
                Some(cause) => cause.items.push(found.item),
                None => causes.push(Cause {
                    text: failure.cause.clone(),
                    items: vec![found.item],
                    is_refuted: self.refutes(&failure.cause),
                }),
            }
        }
        for cause in &mut causes {
            cause.items.sort_unstable();
        }
        causes.sort_by_key(|cause| {
            let first = cause.items.first().copied();
            let items = Reverse(cause.items.len());
            (cause.is_refuted, has_another(&cause.text), items, first)
        });
        causes
    }

    /// Returns `true` if `cause` is a general one whose witnesses have all held.
    fn refutes(&self, cause: &str) -> bool {
        let general = GENERAL.iter().find(|(start, _)| cause.starts_with(start));
        general.is_some_and(|(_, witnesses)| witnesses.iter().all(|check| self.has_held(check)))
    }

    /// Returns `true` if the check held in each start frame. One that did not run has not.
    fn has_held(&self, check: &str) -> bool {
        let mut findings = self
            .findings()
            .iter()
            .filter(|found| found.check == check)
            .peekable();
        findings.peek().is_some() && findings.all(|found| found.outcome == Outcome::Held)
    }
}

/// Returns `true` if the text says that it may as well be that no frame is carried.
fn has_another(text: &str) -> bool {
    text.contains("C-25")
}

#[cfg(test)]
mod tests;
