//! The arguments for surviving mutants, which stand in the source above the operation:
//!
//! ```text
//! // Ordering: AcqRel, as in wake.
//! // Survives: AcqRel -> Release, because nothing that the waker wrote is read here.
//! let before = self.0.fetch_or(CANCELLED, Ordering::AcqRel);
//! ```
//!
//! An argument extends to the next argument or to the end of the comment. One reason can serve
//! several changes: `A -> B and A -> C, because …`. An argument applies to the operations of the
//! same function between its comment and the next comment; a comment inside the first statement
//! does not end it.

use crate::mutation;
use crate::sites::Site;
use crate::source::Source;

/// A change that the source argues to survive, and the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Argument {
    pub(crate) label: String,
    pub(crate) reason: String,
}

/// Assigns the arguments to their sites; returns the lines of arguments that match no site.
pub(crate) fn attach(source: &Source, sites: &mut [Site]) -> Vec<u32> {
    let mut strays = Vec::new();
    let mut at = 0;
    let comments = &source.comments;
    while at < comments.len() {
        // A comment block is a sequence of adjacent lines.
        let mut end = at + 1;
        while end < comments.len() && comments[end].line == comments[end - 1].line + 1 {
            end += 1;
        }
        let lines: Vec<_> = comments[at..end]
            .iter()
            .map(|comment| comment.text.as_str())
            .collect();
        let last = comments[end - 1].line;
        let next = comments[end..]
            .iter()
            .map(|comment| comment.line)
            .next()
            .unwrap_or(u32::MAX);
        for argument in parse(&lines) {
            if !give(&argument, sites, last, next) {
                strays.push(comments[at].line);
            }
        }
        at = end;
    }
    strays
}

/// Assigns the argument to the operations between the comment's last line and the next comment that
/// have such a change. The first operation counts even if the next comment precedes it, because
/// that comment is within the statement.
fn give(argument: &Argument, sites: &mut [Site], last: u32, next: u32) -> bool {
    let fits = |site: &Site| {
        let mut all = mutation::mutations(site).into_iter();
        all.any(|mutation| mutation.label == argument.label)
    };
    let first = sites.iter().position(|site| site.line > last);
    let Some(first) = first else { return false };
    let function = sites[first].function.clone();
    let mut given = false;
    for (index, site) in sites.iter_mut().enumerate().skip(first) {
        let is_near = index == first || site.line < next;
        if !is_near || site.function != function {
            break;
        }
        if fits(site) {
            site.arguments.push(argument.clone());
            given = true;
        }
    }
    given
}

/// Returns the arguments in a comment.
fn parse(lines: &[&str]) -> Vec<Argument> {
    let text = lines.join(" ");
    let mut found = Vec::new();
    for part in text.split("Survives: ").skip(1) {
        let Some((labels, reason)) = part.split_once(", because ") else {
            // Without a reason the label matches no mutant, so the argument is reported as stray.
            found.push(Argument {
                label: part.to_owned(),
                reason: String::new(),
            });
            continue;
        };
        for label in labels.split(" and ") {
            found.push(Argument {
                label: label.trim().to_owned(),
                reason: reason.trim().trim_end_matches('.').to_owned(),
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_goes_to_the_next_argument() {
        let found = parse(&[
            "Ordering: AcqRel, as there.",
            "Survives: AcqRel -> Release and skipped, because a",
            "b. Survives: AcqRel -> Acquire, because c.",
        ]);
        let parsed: Vec<_> = found
            .iter()
            .map(|argument| (argument.label.as_str(), argument.reason.as_str()))
            .collect();
        assert_eq!(
            parsed,
            [
                ("AcqRel -> Release", "a b"),
                ("skipped", "a b"),
                ("AcqRel -> Acquire", "c")
            ]
        );
    }
}
