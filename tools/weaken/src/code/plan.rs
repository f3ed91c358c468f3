//! The plan: the sources to mutate, and the tests that must detect the mutants.
//!
//! Owns the format of the plan:
//!
//! ```text
//! # a test suite: its name, a cfg or `-`, and the arguments of `cargo test`
//! suite loom framewise_loom: --profile models --package framewise-loom-tests
//! # the crate that gets the function that selects the mutant
//! choice sync/src/lib.rs
//! # code that contains this text is not mutated
//! ignore hooks::
//! # a source, and the test targets to try first
//! source executor/src/scheduler/idle/mod.rs: idle monitor
//! # a source of plain data under a lock: no other thread sees the order, so no statement moves
//! data io/src/scheduled_io/waiters.rs: framewise_io
//! ```

/// The parsed plan.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) suites: Vec<Suite>,
    pub(crate) sources: Vec<Source>,
    pub(crate) choice: String,
    pub(crate) ignored: Vec<String>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Suite {
    pub(crate) name: String,
    pub(crate) cfg: Option<String>,
    pub(crate) arguments: Vec<String>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) first: Vec<String>,
    pub(crate) has_order: bool,
}

impl Plan {
    /// Parses a plan; `#` starts a comment.
    ///
    /// # Errors
    ///
    /// If a line has another form.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut plan = Self::default();
        for line in text
            .lines()
            .map(|line| line.split('#').next().unwrap_or_default().trim())
        {
            if let Some(text) = line.strip_prefix("ignore ") {
                plan.ignored.push(text.to_owned());
                continue;
            }
            let (head, tail) = line.split_once(':').unwrap_or((line, ""));
            let words = |text: &str| {
                text.split_whitespace()
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            };
            match *head.split_whitespace().collect::<Vec<_>>() {
                [] => {}
                ["suite", name, cfg] => plan.suites.push(Suite {
                    name: name.to_owned(),
                    cfg: (cfg != "-").then(|| cfg.to_owned()),
                    arguments: words(tail),
                }),
                [kind @ ("source" | "data"), path] => plan.sources.push(Source {
                    path: path.to_owned(),
                    first: words(tail),
                    has_order: kind == "source",
                }),
                ["choice", path] => plan.choice = path.to_owned(),
                _ => return Err(format!("unknown line: {line:?}")),
            }
        }
        Ok(plan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_parsed() {
        let text = "# two\nsuite a -: --lib\nsuite b c: -p d # so\nchoice e.rs\nignore x::\nsource f.rs: g h\ndata i.rs\n";
        let plan = Plan::parse(text).expect("the plan is well-formed");
        assert_eq!(plan.suites[0].cfg, None);
        assert_eq!(plan.suites[1].cfg.as_deref(), Some("c"));
        assert_eq!(plan.suites[1].arguments, ["-p", "d"]);
        assert_eq!(plan.choice, "e.rs");
        assert_eq!(plan.ignored, ["x::"]);
        assert_eq!(plan.sources[0].first, ["g", "h"]);
        assert!(plan.sources[1].first.is_empty());
        assert!(plan.sources[0].has_order && !plan.sources[1].has_order);
        assert!(Plan::parse("sauce x.rs").is_err());
    }
}
