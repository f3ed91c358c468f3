//! Which sources are changed, and by which tests that must be noticed.
//!
//! Owns the format of that list:
//!
//! ```text
//! # how a suite of tests is built: its name, a cfg or `-`, and arguments of `cargo test`
//! suite loom framewise_loom: --profile models --package framewise-loom-tests
//! # the crate that gets the function which chooses the mutant
//! choice sync/src/lib.rs
//! # code with this text is not changed
//! ignore points::
//! # a source, and the test targets that are tried first
//! source executor/src/scheduler/idle.rs: idle watch
//! # one of plain data under a lock, in which no other thread sees an order: no statement moves
//! data io/src/waiters.rs: framewise_io
//! ```

/// The list.
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
    /// Reads a list; `#` begins a comment.
    ///
    /// # Errors
    ///
    /// When a line has another form.
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
                _ => return Err(format!("not understood: {line:?}")),
            }
        }
        Ok(plan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read() {
        let text = "# two\nsuite a -: --lib\nsuite b c: -p d # so\nchoice e.rs\nignore x::\nsource f.rs: g h\ndata i.rs\n";
        let plan = Plan::parse(text).expect("it is well-formed");
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
