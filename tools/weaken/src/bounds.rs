//! The measurement of preemption bounds: each model's executions with bounds 2 and 3 and without a
//! bound, and whether these were all.
//!
//! Owns the table of the results. The table has no times: for a model that was cut off it has only
//! the magnitude of the executions. Needs models that record their runs (`runs.rs`).

use std::fmt::Write as _;

use crate::each::each;
use crate::models::{self, Executable};
use crate::process::{SECONDS, UNBOUNDED};
use crate::runs::{Ended, Run};

/// The bounds with which each model runs.
const BOUNDS: [Bound; 3] = [Bound::Of(2), Bound::Of(3), Bound::None];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    Of(u32),
    None,
}

impl Bound {
    fn title(self) -> String {
        match self {
            Self::Of(bound) => format!("bound {bound}"),
            Self::None => "no bound".to_owned(),
        }
    }

    /// Returns the environment of a test. The smallest bound has no time limit, because every model
    /// must exhaust it.
    fn environment(self, seconds: usize) -> Vec<(&'static str, String)> {
        let limit = (SECONDS, seconds.to_string());
        match self {
            Self::None => vec![(UNBOUNDED, "1".to_owned()), limit],
            Self::Of(bound) => {
                let mut environment = vec![("LOOM_MAX_PREEMPTIONS", bound.to_string())];
                if self != BOUNDS[0] {
                    environment.push(limit);
                }
                environment
            }
        }
    }
}

/// A model with its run at each bound; `None` if the model recorded no run.
#[derive(Debug)]
pub(crate) struct Row {
    test: String,
    model: String,
    ends: Vec<Option<(u64, Ended)>>,
}

/// Runs the models of these executables; returns the rows and the problems.
///
/// # Errors
///
/// If an executable cannot be run, or a record is malformed.
pub(crate) fn measure(
    executables: &[Executable],
    is_named: impl Fn(&str) -> bool,
    jobs: usize,
    seconds: usize,
) -> Result<(Vec<Row>, Vec<String>), String> {
    let mut tests = models::tests(executables)?;
    tests.retain(|(executable, test)| is_named(&executable.name_of(test)));
    let of_tests = each(&tests, jobs, |(executable, test)| {
        let rows = of_test(executable, test, seconds)?;
        for row in &rows {
            println!("{}", row.describe());
        }
        Ok::<_, String>(rows)
    });
    let mut rows = Vec::new();
    for of_test in of_tests {
        rows.extend(of_test?);
    }
    rows.sort_by(|a, b| (&a.test, &a.model).cmp(&(&b.test, &b.model)));
    let problems = rows.iter().flat_map(Row::problems).collect();
    Ok((rows, problems))
}

fn of_test(executable: &Executable, test: &str, seconds: usize) -> Result<Vec<Row>, String> {
    let mut rows: Vec<Row> = Vec::new();
    for (index, bound) in BOUNDS.into_iter().enumerate() {
        let recorded = executable.run_recorded(test, &bound.environment(seconds))?;
        let record = &recorded.runs;
        if index == 0 && !recorded.is_control() {
            // A failed run in a test that should not panic is a failed model, not a control.
            let is_model = |run: &&Run| !run.is_control() || run.ended == Ended::Failed;
            rows = record.iter().filter(is_model).map(Row::new).collect();
        }
        if rows.is_empty() {
            break;
        }
        for row in &mut rows {
            let run = record.iter().find(|run| run.model == row.model);
            row.ends.push(run.map(|run| (run.executions, run.ended)));
        }
    }
    Ok(rows)
}

impl Row {
    fn new(run: &Run) -> Self {
        Self {
            test: run.test.clone(),
            model: run.model.clone(),
            ends: Vec::new(),
        }
    }

    fn describe(&self) -> String {
        let mut text = format!("{}: {}:", self.test, self.model);
        for (bound, end) in BOUNDS.into_iter().zip(&self.ends) {
            let end = match end {
                None => "not run".to_owned(),
                Some((executions, Ended::Exhausted)) => format!("{executions}, exhausted"),
                Some((executions, Ended::CutOff)) => format!("cut off after {executions}"),
                Some((executions, Ended::Failed)) => format!("FAILED after {executions}"),
            };
            let _ = write!(text, " {}: {end};", bound.title());
        }
        text
    }

    fn problems(&self) -> Vec<String> {
        let of_bounds = BOUNDS.into_iter().zip(&self.ends);
        of_bounds
            .filter_map(|(bound, end)| {
                let wrong = match end {
                    None => "it recorded no run",
                    Some((_, Ended::Failed)) => "it fails",
                    Some((_, Ended::CutOff)) if bound == BOUNDS[0] => "it was cut off",
                    Some(_) => return None,
                };
                Some(format!(
                    "{}: {}: {}: {wrong}",
                    self.test,
                    self.model,
                    bound.title()
                ))
            })
            .collect()
    }
}

/// Returns how many models were exhausted, cut off and failed at each bound.
pub(crate) fn totals(rows: &[Row]) -> String {
    let mut text = format!("- Models: {}.\n", rows.len());
    for (index, bound) in BOUNDS.into_iter().enumerate() {
        let count = |wanted| {
            let ends = rows.iter().filter_map(|row| row.ends[index]);
            ends.filter(|(_, ended)| *ended == wanted).count()
        };
        let _ = writeln!(
            text,
            "- With {}: {} exhausted, {} cut off, {} failed.",
            bound.title(),
            count(Ended::Exhausted),
            count(Ended::CutOff),
            count(Ended::Failed),
        );
    }
    text
}

/// Returns the table's text.
pub(crate) fn write(rows: &[Row], seconds: usize) -> String {
    let mut text = format!(
        "# Bounds\n\n\
         Generated by `framewise-weaken --bounds`: do not edit. A number is a model's executions where \
         all\nwithin the bound were run. Each model had {seconds} seconds for a bound above {}; what was \
         not exhausted\nby then was cut off, which is no pass, after more executions than stand \
         there.\n\n{}\n| test | model |",
        match BOUNDS[0] {
            Bound::Of(bound) => bound,
            Bound::None => 0,
        },
        totals(rows)
    );
    for bound in BOUNDS {
        let _ = write!(text, " {} |", bound.title());
    }
    text.push_str("\n| --- | --- | ---: | ---: | ---: |\n");
    for row in rows {
        let _ = write!(
            text,
            "| `{}` | {} |",
            row.test,
            row.model.replace('|', "\\|")
        );
        for end in &row.ends {
            let cell = match end {
                Some((executions, Ended::Exhausted)) => executions.to_string(),
                Some((executions, Ended::CutOff)) => {
                    format!("cut off, {}+", magnitude(*executions))
                }
                Some((_, Ended::Failed)) => "**fails**".to_owned(),
                None => "not run".to_owned(),
            };
            let _ = write!(text, " {cell} |");
        }
        text.push('\n');
    }
    text
}

/// Returns the largest power of ten that is not above the number.
fn magnitude(number: u64) -> u64 {
    number
        .checked_ilog10()
        .map_or(0, |digits| 10_u64.pow(digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(test: &str, ends: [Option<(u64, Ended)>; 3]) -> Row {
        Row {
            test: test.to_owned(),
            model: "wake × run".to_owned(),
            ends: ends.to_vec(),
        }
    }

    #[test]
    fn cut_off_models_are_reported_without_exact_number() {
        let rows = [row(
            "t::a",
            [
                Some((72, Ended::Exhausted)),
                Some((315, Ended::Exhausted)),
                Some((12_345, Ended::CutOff)),
            ],
        )];
        assert!(rows[0].problems().is_empty());
        assert_eq!(
            rows[0].describe(),
            "t::a: wake × run: bound 2: 72, exhausted; bound 3: 315, exhausted; \
             no bound: cut off after 12345;"
        );
        let table = write(&rows, 20);
        assert!(table.ends_with("| `t::a` | wake × run | 72 | 315 | cut off, 10000+ |\n"));
        assert!(table.contains("- With bound 3: 1 exhausted, 0 cut off, 0 failed.\n"));
        assert!(table.contains("- With no bound: 0 exhausted, 1 cut off, 0 failed.\n"));
    }

    #[test]
    fn problems_of_rows() {
        let rows = [
            row(
                "t::a",
                [Some((1, Ended::CutOff)), None, Some((9, Ended::Failed))],
            ),
            row("t::b", [Some((1, Ended::Exhausted)); 3]),
        ];
        let problems: Vec<String> = rows.iter().flat_map(Row::problems).collect();
        assert_eq!(
            problems,
            [
                "t::a: wake × run: bound 2: it was cut off",
                "t::a: wake × run: bound 3: it recorded no run",
                "t::a: wake × run: no bound: it fails",
            ]
        );
    }

    #[test]
    fn only_the_smallest_bound_has_no_limit() {
        let names = |bound: Bound| {
            let environment = bound.environment(5).into_iter();
            environment.map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert_eq!(names(BOUNDS[0]), ["LOOM_MAX_PREEMPTIONS"]);
        assert_eq!(
            names(BOUNDS[1]),
            ["LOOM_MAX_PREEMPTIONS", "FRAMEWISE_SECONDS"]
        );
        assert_eq!(
            names(BOUNDS[2]),
            ["FRAMEWISE_UNBOUNDED", "FRAMEWISE_SECONDS"]
        );
    }
}
