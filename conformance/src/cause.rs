//! Which causes a report names first.
//!
//! One fault breaks many items, and most checks know only what they have seen: if nothing is bound,
//! they assume that no frame is carried at all. Such a cause is **general**. It has **witnesses**,
//! checks that would have failed as well: if all of them held, the general cause is **refuted**,
//! and another one explains the failure.

use std::cmp::Reverse;

use crate::item::Item;
use crate::report::{Outcome, Report};

/// The beginning of each general cause, and its witnesses: the checks that fail if it is right.
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
#[non_exhaustive]
pub struct Cause {
    /// The cause, in the terms of the subject's author.
    pub text: String,
    /// The items that have a failure with this cause, in the order of the contract.
    pub items: Vec<Item>,
    /// `true` if a check held that this cause would have broken, so that another cause is right.
    pub is_refuted: bool,
}

impl Report {
    /// Returns the likely causes of the failures, the narrowest first: causes that are not refuted
    /// come before refuted ones, then causes that name no alternative, then causes that explain
    /// more items, and then the order of the contract decides.
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

    /// Returns `true` if the check ran, and held in each start frame.
    fn has_held(&self, check: &str) -> bool {
        let mut findings = self
            .findings()
            .iter()
            .filter(|found| found.check == check)
            .peekable();
        findings.peek().is_some() && findings.all(|found| found.outcome == Outcome::Held)
    }
}

/// Returns `true` if the text names an alternative: that no frame is carried at all (C-25).
fn has_another(text: &str) -> bool {
    text.contains("C-25")
}

#[cfg(test)]
mod tests;
