//! What models say of their own runs: how many executions there were, within which bound, and
//! whether that was all of them.
//!
//! Owns the format of that record. loom reports a model that was cut off as passed, so a model must
//! say it itself; those of this workspace do, and how others can is in the README.

use std::collections::BTreeSet;

/// The variable that names the file to which a model appends a line.
pub(crate) const VARIABLE: &str = "FRAMEWISE_MODELS";

/// One model, run once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// As tables have it: `target::test`.
    pub(crate) test: String,
    /// What the model calls itself. A test can have several.
    pub(crate) model: String,
    pub(crate) executions: u64,
    /// The preemption bound; `None` is none.
    pub(crate) bound: Option<u32>,
    pub(crate) ended: Ended,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Every execution within the bound was run.
    Exhausted,
    /// It was not, for want of time. This is no pass.
    CutOff,
    /// An execution failed.
    Failed,
}

/// Reads lines of six fields with tabs between them: test, model, executions, bound, end, seconds.
///
/// # Errors
///
/// When a line has another form: a model whose end is not understood is not passed over.
pub(crate) fn parse(record: &str) -> Result<Vec<Run>, String> {
    record
        .lines()
        .map(|line| parse_line(line).ok_or_else(|| format!("not the run of a model: {line:?}")))
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
    /// The test target.
    pub(crate) fn target(&self) -> &str {
        self.test.split("::").next().unwrap_or_default()
    }

    /// Whether it shows that models can fail and does not count as one: by its name, or because it
    /// failed in a test that passed.
    pub(crate) fn is_control(&self) -> bool {
        let name = self.test.rsplit("::").next().unwrap_or_default();
        let is_named = name.starts_with("control_") || name.starts_with("negative_");
        is_named || self.ended == Ended::Failed
    }
}

/// The models among the runs, and the tests that are controls.
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
        .expect("it is well-formed");
        let told: Vec<_> = runs
            .iter()
            .map(|run| (run.model.as_str(), run.executions, run.bound, run.ended))
            .collect();
        assert_eq!(
            told,
            [
                ("wake × run", 2002, Some(2), Ended::Exhausted),
                ("x", 9, None, Ended::CutOff),
                ("x", 1, Some(3), Ended::Failed),
            ]
        );
        assert_eq!(runs[0].target(), "task");
    }

    #[test]
    fn an_end_that_is_not_understood_is_no_end() {
        assert!(parse("task::a\tx\t9\t2\tpassed\t1.0\n").is_err());
        assert!(parse("task::a\tx\t9\t2\texhausted\n").is_err());
    }

    #[test]
    fn controls_are_no_models() {
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
