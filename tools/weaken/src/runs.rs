//! The record that models write about their own runs: the number of executions, the bound, and if
//! these were all executions within it.
//!
//! Owns the format of that record. loom reports a model that was cut off as passed, so the model
//! itself must report the cut. The models of this workspace do; the README explains how other
//! models can.

use std::collections::BTreeSet;

/// The variable that names the file to which a model appends a line.
pub(crate) const VARIABLE: &str = "FRAMEWISE_MODELS";

/// One run of one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// The test's name in tables: `target::test`.
    pub(crate) test: String,
    /// The model's own name. A test can run several models.
    pub(crate) model: String,
    pub(crate) executions: u64,
    /// The preemption bound, if there is one.
    pub(crate) bound: Option<u32>,
    pub(crate) ended: Ended,
}

/// How the run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// loom ran every execution within the bound.
    Exhausted,
    /// The time limit ended the run early. This is not a pass.
    CutOff,
    /// An execution failed.
    Failed,
}

/// Parses lines of six fields separated by tabs: test, model, executions, bound, end, seconds.
///
/// # Errors
///
/// If a line has another form, so that no model with an unknown end is skipped.
pub(crate) fn parse(record: &str) -> Result<Vec<Run>, String> {
    record
        .lines()
        .map(|line| parse_line(line).ok_or_else(|| format!("not a model's run: {line:?}")))
        .collect()
}

fn parse_line(line: &str) -> Option<Run> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [test, model, executions, bound, ended, _seconds] = fields.as_slice() else {
        return None;
    };
    Some(Run {
        test: (*test).to_owned(),
        model: (*model).to_owned(),
        executions: executions.parse().ok()?,
        bound: match *bound {
            "-" => None,
            bound => Some(bound.parse().ok()?),
        },
        ended: match *ended {
            "exhausted" => Ended::Exhausted,
            "cut off" => Ended::CutOff,
            "failed" => Ended::Failed,
            _ => return None,
        },
    })
}

impl Run {
    /// Returns the test target.
    pub(crate) fn target(&self) -> &str {
        self.test.split("::").next().unwrap_or_default()
    }

    /// Returns `true` if the run is a control: its name says so, or it failed in a test that
    /// passed. A control shows that models can fail and does not count as a model.
    pub(crate) fn is_control(&self) -> bool {
        let name = self.test.rsplit("::").next().unwrap_or_default();
        let is_named = name.starts_with("control_") || name.starts_with("negative_");
        is_named || self.ended == Ended::Failed
    }
}

/// Separates the runs of models from the tests that are controls.
pub(crate) fn apart(runs: &[Run]) -> (Vec<&Run>, BTreeSet<&str>) {
    let (controls, models): (Vec<&Run>, Vec<&Run>) = runs.iter().partition(|run| run.is_control());
    let controls = controls.iter().map(|run| run.test.as_str()).collect();
    (models, controls)
}

#[cfg(test)]
pub(crate) fn run(test: &str, ended: Ended) -> Run {
    Run {
        test: test.to_owned(),
        model: "m".to_owned(),
        executions: 7,
        bound: Some(2),
        ended,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read() {
        let runs = parse(
            "task::a\twake × run\t2002\t2\texhausted\t0.51\n\
             task::b\tx\t9\t-\tcut off\t20.000\n\
             task::c\tx\t1\t3\tfailed\t0.0\n",
        )
        .expect("the record is well-formed");
        let found: Vec<_> = runs
            .iter()
            .map(|run| (run.model.as_str(), run.executions, run.bound, run.ended))
            .collect();
        assert_eq!(
            found,
            [
                ("wake × run", 2002, Some(2), Ended::Exhausted),
                ("x", 9, None, Ended::CutOff),
                ("x", 1, Some(3), Ended::Failed),
            ]
        );
        assert_eq!(runs[0].target(), "task");
    }

    #[test]
    fn malformed_records_are_rejected() {
        assert!(parse("task::a\tx\t9\t2\tpassed\t1.0\n").is_err());
        assert!(parse("task::a\tx\t9\t2\texhausted\n").is_err());
    }

    #[test]
    fn controls_are_not_models() {
        let runs = [
            run("a::m", Ended::Exhausted),
            run("a::control_shape", Ended::Exhausted),
            run("a::is_noticed", Ended::Failed),
            run("a::slow", Ended::CutOff),
        ];
        let (models, controls) = apart(&runs);
        let models: Vec<_> = models.iter().map(|run| run.test.as_str()).collect();
        assert_eq!(models, ["a::m", "a::slow"]);
        assert_eq!(controls.len(), 2);
    }
}
