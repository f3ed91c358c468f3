//! The assignment of models to protocols.
//!
//! Owns the list's format: a protocol's name in brackets, and below it the tests that are its
//! models, as `target::test`, with `*` for any text; or `none yet: why` if there is no model.

use crate::runs::Run;

/// The protocols that a file lists.
#[derive(Debug, Default)]
pub(crate) struct Protocols(Vec<Protocol>);

#[derive(Debug, Default)]
struct Protocol {
    name: String,
    patterns: Vec<String>,
    /// Why there is no model yet.
    none_yet: Option<String>,
}

impl Protocols {
    /// Parses a list; `#` starts a comment.
    ///
    /// # Errors
    ///
    /// If a line comes before the first protocol, or a protocol is listed twice.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut protocols: Vec<Protocol> = Vec::new();
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let name = line.strip_prefix('[').and_then(|l| l.strip_suffix(']'));
            if let Some(name) = name {
                if protocols.iter().any(|protocol| protocol.name == name) {
                    return Err(format!("the protocol {name:?} is listed twice"));
                }
                protocols.push(Protocol {
                    name: name.to_owned(),
                    ..Protocol::default()
                });
                continue;
            }
            let Some(protocol) = protocols.last_mut() else {
                return Err(format!("{line:?} is before the first protocol"));
            };
            match line.strip_prefix("none yet: ") {
                Some(reason) => protocol.none_yet = Some(reason.to_owned()),
                None => protocol.patterns.push(line.to_owned()),
            }
        }
        Ok(Self(protocols))
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// Returns each protocol with the number of its models.
    pub(crate) fn counts(&self, models: &[&Run]) -> Vec<(&str, usize)> {
        let count = |protocol: &Protocol| models.iter().filter(|m| protocol.has(m)).count();
        let protocols = self.0.iter();
        protocols
            .map(|protocol| (protocol.name.as_str(), count(protocol)))
            .collect()
    }

    /// Returns protocols without a model, models without a protocol, and entries without a test.
    /// With `whole`, `none yet` does not excuse a protocol.
    pub(crate) fn problems(&self, models: &[&Run], whole: bool) -> Vec<String> {
        let mut problems = Vec::new();
        for protocol in &self.0 {
            let has_model = models.iter().any(|model| protocol.has(model));
            match &protocol.none_yet {
                Some(_) if has_model => problems.push(format!(
                    "the protocol {:?} is listed as `none yet`, but has a model",
                    protocol.name
                )),
                Some(reason) if whole => problems.push(format!(
                    "the protocol {:?} has no model yet: {reason}",
                    protocol.name
                )),
                None if !has_model => {
                    problems.push(format!("the protocol {:?} has no model", protocol.name));
                }
                _ => {}
            }
            for pattern in &protocol.patterns {
                if !models.iter().any(|model| fits(pattern, &model.test)) {
                    problems.push(format!(
                        "the protocol {:?} lists {pattern}, which matches no model",
                        protocol.name
                    ));
                }
            }
        }
        let strays = models
            .iter()
            .filter(|model| !self.0.iter().any(|protocol| protocol.has(model)))
            .map(|model| format!("{}: belongs to no protocol", model.test));
        problems.extend(strays);
        problems
    }
}

impl Protocol {
    fn has(&self, model: &Run) -> bool {
        self.patterns
            .iter()
            .any(|pattern| fits(pattern, &model.test))
    }
}

/// Returns `true` if the text matches the pattern, in which `*` is any text.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => text.strip_prefix(before).is_some_and(|rest| {
            let mut ends = rest.char_indices().map(|(end, _)| end).chain([rest.len()]);
            ends.any(|end| fits(after, &rest[end..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::{Ended, run};

    fn problems_of(list: &str, tests: &[&str], whole: bool) -> Vec<String> {
        let protocols = Protocols::parse(list).expect("the list is well-formed");
        let runs: Vec<Run> = tests.iter().map(|t| run(t, Ended::Exhausted)).collect();
        protocols.problems(&runs.iter().collect::<Vec<_>>(), whole)
    }

    #[test]
    fn patterns() {
        assert!(fits("a::b", "a::b"));
        assert!(!fits("a::b", "a::bc"));
        assert!(fits("a::*", "a::b"));
        assert!(fits("a::*_park*", "a::x_park"));
        assert!(!fits("a::*_park", "a::x_parked"));
        assert!(fits("*×*", "é×é"));
    }

    #[test]
    fn a_list_that_fits() {
        let list = "# two\n[join]\ntask::j*\n[wheel / gate]\ntimers::*\ntask::both\n";
        let tests = ["task::j1", "task::j2", "task::both", "timers::t"];
        assert!(problems_of(list, &tests, true).is_empty());
        let protocols = Protocols::parse(list).expect("the list is well-formed");
        let runs: Vec<Run> = tests.iter().map(|t| run(t, Ended::Exhausted)).collect();
        let counts = protocols.counts(&runs.iter().collect::<Vec<_>>());
        assert_eq!(counts, [("join", 2), ("wheel / gate", 2)]);
    }

    #[test]
    fn a_protocol_without_a_model() {
        let problems = problems_of("[join]\n[wheel]\nt::*\n", &["t::a"], false);
        assert_eq!(problems, ["the protocol \"join\" has no model"]);
    }

    #[test]
    fn a_model_without_a_protocol() {
        let problems = problems_of("[join]\nt::a\n", &["t::a", "t::b"], false);
        assert_eq!(problems, ["t::b: belongs to no protocol"]);
    }

    #[test]
    fn an_entry_without_a_test() {
        let problems = problems_of("[join]\nt::a\nu::*\n", &["t::a"], false);
        let expected = "the protocol \"join\" lists u::*, which matches no model";
        assert_eq!(problems, [expected]);
    }

    #[test]
    fn none_yet_holds_until_there_is_one_and_never_for_the_whole() {
        let list = "[join]\nnone yet: hard\n[wheel]\nt::*\n";
        assert!(problems_of(list, &["t::a"], false).is_empty());
        assert_eq!(problems_of(list, &["t::a"], true).len(), 1);
        let list = "[join]\nnone yet: hard\nt::a\n";
        assert_eq!(problems_of(list, &["t::a"], false).len(), 1);
    }

    #[test]
    fn malformed_lists_are_rejected() {
        assert!(Protocols::parse("t::a\n").is_err());
        assert!(Protocols::parse("[join]\n[join]\n").is_err());
    }
}
