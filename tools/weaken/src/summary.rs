//! The summary of a run: counts of protocols, models, sites and mutants, and whether they are
//! complete.
//!
//! Owns the wording of the summary and the checks of the models' runs. The checks of sites and
//! mutants are in `checks.rs`, those of protocols in `groups.rs`.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::checks::Counts;
use crate::groups::Protocols;
use crate::runs::{self, Ended, Run};
use crate::sites::Listed;

/// The models' runs, and what they are checked against.
pub(crate) struct ModelReport<'a> {
    pub(crate) runs: &'a [Run],
    pub(crate) protocols: Option<&'a Protocols>,
    /// Rejects `none yet` entries, like the option `--whole`.
    pub(crate) whole: bool,
}

impl ModelReport<'_> {
    /// Returns all problems of the models' runs.
    pub(crate) fn problems(&self) -> Vec<String> {
        if self.runs.is_empty() {
            let missing = "no model recorded its run".to_owned();
            return self.protocols.iter().map(|_| missing.clone()).collect();
        }
        let (models, controls) = runs::apart(self.runs);
        let mut problems = Vec::new();
        let mut seen = BTreeSet::new();
        for model in &models {
            let what = format!("{}: the model {:?}", model.test, model.model);
            if !seen.insert((&model.test, &model.model)) {
                problems.push(format!("{what} ran twice, or two models have this name"));
            }
            if model.ended == Ended::CutOff {
                problems.push(format!(
                    "{what} was cut off after {} executions, so it did not pass",
                    model.executions
                ));
            }
        }
        let targets: BTreeSet<&str> = models.iter().map(|model| model.target()).collect();
        for target in targets {
            let is_its = |control: &&&str| control.split("::").next() == Some(target);
            if !controls.iter().any(|control| is_its(&control)) {
                problems.push(format!(
                    "{target}: has no control, which would show that its models can fail"
                ));
            }
        }
        if let Some(protocols) = self.protocols {
            problems.extend(protocols.problems(&models, self.whole));
        }
        problems
    }

    /// Returns the summary. `source` names where the mutants' results come from.
    pub(crate) fn summary(&self, listed: &Listed, counts: &Counts, source: &str) -> String {
        let (models, controls) = runs::apart(self.runs);
        let mut text = String::new();
        if let Some(protocols) = self.protocols {
            let of_each = protocols.counts(&models);
            for (name, count) in &of_each {
                let _ = writeln!(text, "  {name}: {count} models");
            }
            let modelled = of_each.iter().filter(|(_, count)| *count > 0).count();
            let _ = writeln!(text, "protocols {modelled}/{}", protocols.count());
        }
        if !self.runs.is_empty() {
            let ended = |wanted| models.iter().filter(|m| m.ended == wanted).count();
            let _ = writeln!(
                text,
                "models {}, exhausted {}, cut off {} (preemption bound {})\ncontrols {}",
                models.len(),
                ended(Ended::Exhausted),
                ended(Ended::CutOff),
                bounds(&models),
                controls.len(),
            );
        }
        let _ = writeln!(
            text,
            "sites {}, reached {}{}\n\
             mutants {} = killed {} + argued {}, surviving {} ({source})",
            listed.sites.len(),
            listed.sites.len() - counts.unreached,
            match counts.unreached {
                0 => String::new(),
                unreached => format!(", not reached {unreached}"),
            },
            counts.mutants(),
            counts.killed + counts.timed_out,
            counts.argued,
            counts.survivors,
        );
        text
    }
}

/// Returns the preemption bounds of the models; there should be one.
fn bounds(models: &[&Run]) -> String {
    let bounds: BTreeSet<_> = models.iter().map(|model| model.bound).collect();
    let name = |bound: &Option<u32>| bound.map_or("none".to_owned(), |bound| bound.to_string());
    bounds.iter().map(name).collect::<Vec<_>>().join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::run;

    fn problems(runs: &[Run], protocols: Option<&Protocols>) -> Vec<String> {
        let report = ModelReport {
            runs,
            protocols,
            whole: false,
        };
        report.problems()
    }

    #[test]
    fn a_model_that_was_cut_off_has_not_passed() {
        let runs = [
            run("t::a", Ended::CutOff),
            run("t::control_a", Ended::Failed),
        ];
        let expected = "t::a: the model \"m\" was cut off after 7 executions, so it did not pass";
        assert_eq!(problems(&runs, None), [expected]);
    }

    #[test]
    fn each_target_has_a_control() {
        let runs = [
            run("t::a", Ended::Exhausted),
            run("u::b", Ended::Exhausted),
            run("t::control_a", Ended::Failed),
        ];
        let expected = "u: has no control, which would show that its models can fail";
        assert_eq!(problems(&runs, None), [expected]);
    }

    #[test]
    fn two_models_of_the_same_name_are_rejected() {
        let runs = [
            run("t::a", Ended::Exhausted),
            run("t::a", Ended::Exhausted),
            run("t::control_a", Ended::Failed),
        ];
        assert_eq!(problems(&runs, None).len(), 1);
    }

    #[test]
    fn a_list_of_protocols_needs_runs() {
        assert!(problems(&[], None).is_empty());
        let protocols = Protocols::default();
        let found = problems(&[], Some(&protocols));
        assert_eq!(found, ["no model recorded its run"]);
    }

    #[test]
    fn the_lines() {
        let runs = [
            run("t::a", Ended::Exhausted),
            run("t::slow", Ended::CutOff),
            run("t::control_a", Ended::Failed),
        ];
        let protocols = Protocols::parse("[join]\nt::*\n[wheel]\nnone yet: hard\n")
            .expect("the list is well-formed");
        let report = ModelReport {
            runs: &runs,
            protocols: Some(&protocols),
            whole: false,
        };
        let counts = Counts {
            killed: 3,
            timed_out: 1,
            argued: 2,
            ..Counts::default()
        };
        assert_eq!(
            report.summary(&Listed::default(), &counts, "from the table"),
            "  join: 2 models\n  wheel: 0 models\nprotocols 1/2\n\
             models 2, exhausted 1, cut off 1 (preemption bound 2)\ncontrols 1\n\
             sites 0, reached 0\n\
             mutants 6 = killed 4 + argued 2, surviving 0 (from the table)\n"
        );
    }
}
