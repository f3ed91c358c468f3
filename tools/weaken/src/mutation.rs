//! The mutations of a site, and the order in which they run.
//!
//! If a model detects a mutation, it also detects every weaker mutation. So a mutation runs only if
//! the mutations that it implies have survived.

use crate::sites::Site;

/// One change of one site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mutation {
    /// The name in tables and arguments: `AcqRel -> Release`, `failure Acquire -> Relaxed`,
    /// `skipped`.
    pub(crate) label: String,
    /// The text that the facade parses.
    pub(crate) change: String,
    /// The labels that must have survived before this mutation runs.
    pub(crate) after: Vec<String>,
}

/// Returns the mutations of a site. A site without an ordering that cannot be skipped has none.
pub(crate) fn mutations(site: &Site) -> Vec<Mutation> {
    let orderings: Vec<&str> = site.orderings.iter().map(String::as_str).collect();
    match (site.operation.as_str(), orderings.as_slice()) {
        ("notify_one" | "notify_all" | "unpark", _) => vec![skipped(Vec::new())],
        ("fence", [ordering]) => fence(ordering),
        ("load", [ordering]) => weaker("", "success", ordering, &LOADS),
        ("store", [ordering]) => {
            let mut all = weaker("", "success", ordering, &STORES);
            all.push(skipped(Vec::new()));
            all
        }
        (_, [ordering]) => {
            let mut all = weaker("", "success", ordering, &BOTH);
            all.push(skipped(Vec::new()));
            all
        }
        (_, [success, failure]) => {
            let mut all = weaker("success ", "success", success, &BOTH);
            all.extend(weaker("failure ", "failure", failure, &LOADS));
            all
        }
        _ => Vec::new(),
    }
}

/// An ordering, a weaker one, and the other targets that must have survived before.
type Step = (&'static str, &'static str, &'static [&'static str]);

const LOADS: [Step; 3] = [
    ("SeqCst", "Acquire", &[]),
    ("SeqCst", "Relaxed", &["Acquire"]),
    ("Acquire", "Relaxed", &[]),
];

const STORES: [Step; 3] = [
    ("SeqCst", "Release", &[]),
    ("SeqCst", "Relaxed", &["Release"]),
    ("Release", "Relaxed", &[]),
];

const BOTH: [Step; 9] = [
    ("SeqCst", "AcqRel", &[]),
    ("SeqCst", "Release", &["AcqRel"]),
    ("SeqCst", "Acquire", &["AcqRel"]),
    ("SeqCst", "Relaxed", &["Release", "Acquire"]),
    ("AcqRel", "Release", &[]),
    ("AcqRel", "Acquire", &[]),
    ("AcqRel", "Relaxed", &["Release", "Acquire"]),
    ("Acquire", "Relaxed", &[]),
    ("Release", "Relaxed", &[]),
];

fn label(prefix: &str, from: &str, to: &str) -> String {
    format!("{prefix}{from} -> {to}")
}

fn weaker(prefix: &str, which: &str, ordering: &str, steps: &[Step]) -> Vec<Mutation> {
    let steps = steps.iter().filter(|(from, ..)| *from == ordering);
    steps
        .map(|(from, to, after)| Mutation {
            label: label(prefix, from, to),
            change: format!("{which}={to}"),
            after: after.iter().map(|to| label(prefix, from, to)).collect(),
        })
        .collect()
}

fn skipped(after: Vec<String>) -> Mutation {
    Mutation {
        label: "skipped".to_owned(),
        change: "skip".to_owned(),
        after,
    }
}

/// Returns the mutations of a fence. A relaxed fence does not exist, so the weakest mutation is to
/// skip the fence.
fn fence(ordering: &str) -> Vec<Mutation> {
    let mut all = weaker("", "success", ordering, &BOTH);
    all.retain(|mutation| !mutation.change.ends_with("=Relaxed"));
    let halves = all
        .iter()
        .filter(|mutation| !mutation.change.ends_with("=AcqRel"));
    let after = halves.map(|mutation| mutation.label.clone()).collect();
    all.push(skipped(after));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(operation: &str, orderings: &[&str]) -> Vec<String> {
        let site = Site {
            file: String::new(),
            line: 1,
            column: 1,
            function: String::new(),
            operation: operation.to_owned(),
            number: 1,
            orderings: orderings.iter().map(|&o| o.to_owned()).collect(),
            written: Vec::new(),
            arguments: Vec::new(),
        };
        let all = mutations(&site).into_iter();
        all.map(|mutation| match mutation.after.is_empty() {
            true => mutation.label,
            false => format!("{} after {}", mutation.label, mutation.after.join(", ")),
        })
        .collect()
    }

    #[test]
    fn each_half_of_a_read_modify_write_and_its_effect() {
        assert_eq!(
            labels("swap", &["AcqRel"]),
            [
                "AcqRel -> Release",
                "AcqRel -> Acquire",
                "AcqRel -> Relaxed after AcqRel -> Release, AcqRel -> Acquire",
                "skipped"
            ]
        );
        assert_eq!(labels("fetch_or", &["Relaxed"]), ["skipped"]);
    }

    #[test]
    fn success_and_failure_apart() {
        assert_eq!(
            labels("compare_exchange", &["Acquire", "Acquire"]),
            ["success Acquire -> Relaxed", "failure Acquire -> Relaxed"]
        );
        assert!(labels("compare_exchange", &["Relaxed", "Relaxed"]).is_empty());
    }

    #[test]
    fn the_weakest_fence_is_none() {
        assert_eq!(labels("fence", &["Acquire"]), ["skipped"]);
        assert_eq!(
            labels("fence", &["SeqCst"]),
            [
                "SeqCst -> AcqRel",
                "SeqCst -> Release after SeqCst -> AcqRel",
                "SeqCst -> Acquire after SeqCst -> AcqRel",
                "skipped after SeqCst -> Release, SeqCst -> Acquire"
            ]
        );
    }

    #[test]
    fn operations_without_a_weaker_ordering() {
        assert_eq!(labels("notify_one", &[]), ["skipped"]);
        assert!(labels("lock", &[]).is_empty());
        assert!(labels("load", &["Relaxed"]).is_empty());
    }
}
