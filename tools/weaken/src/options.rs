//! Parsing of the command line.

use std::time::Duration;

pub(crate) const USAGE: &str = "\
usage: framewise-weaken --sources PATH... --table FILE [OPTION...] ACTION

  --sources PATH...    the shipped code: directories or files, with the relative paths that rustc uses
  --table FILE         the table that is read and written
  --protocols FILE     which models each protocol has: `[name]`, and tests below it, with `*`
  --whole              reject `none yet`: each protocol needs a model
  --facade CRATE       the crate whose primitives are sites (framewise_sync)

actions
  --run FILE           run the mutants with the test executables that FILE names (`-`: standard
                       input): cargo's messages (--message-format=json), or one path a line
      --only TEXT...   only files whose path contains one of these; keep the other rows
      --jobs N         processes at a time (2)
      --limit SECONDS  timeout of a mutated model: at least this, at least 20 times its own time (60)
  --list FILE          the same executables, no mutants: print which models reach which site
  --check RECORD       run no model: compare the sources with the table and with the sites that the
                       models recorded (FRAMEWISE_SITES=\"record FILE\")
      --models FILE    and with the runs that the models recorded (FRAMEWISE_MODELS=FILE)
  --update RECORD      run no model: rewrite the table from its own results
  --faults RECORD      run no model: list every ordering that can be weakened in the source, with
                       the model that detects it
      --only TEXT...   only files whose path contains one of these
  --bounds FILE        the same executables, no mutants, neither --sources nor --table: run each model
                       with the preemption bounds 2 and 3 and without any
      --into FILE      write the results to this table
      --seconds N      time limit for one model at one bound; then the model is cut off (20)
      --only TEXT...   only tests whose name contains one of these; write no table
      --jobs N         processes at a time (2)
";

/// The action that the command line requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Run(String),
    List(String),
    Check(String),
    Update(String),
    Faults(String),
    Bounds(String),
}

/// The parsed command line.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) sources: Vec<String>,
    pub(crate) table: String,
    pub(crate) protocols: Option<String>,
    pub(crate) models: Option<String>,
    pub(crate) whole: bool,
    pub(crate) facade: String,
    pub(crate) action: Action,
    pub(crate) only: Vec<String>,
    pub(crate) jobs: usize,
    pub(crate) limit: Duration,
    pub(crate) into: Option<String>,
    pub(crate) seconds: usize,
}

impl Options {
    /// Parses the arguments.
    ///
    /// # Errors
    ///
    /// If the arguments do not match [`USAGE`].
    pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut arguments = arguments.peekable();
        let (mut table, mut action) = (None, None);
        let mut options = Self {
            sources: Vec::new(),
            table: String::new(),
            protocols: None,
            models: None,
            whole: false,
            facade: "framewise_sync".to_owned(),
            action: Action::List(String::new()),
            only: Vec::new(),
            jobs: 2,
            limit: Duration::from_secs(60),
            into: None,
            seconds: 20,
        };
        while let Some(option) = arguments.next() {
            let mut values = Vec::new();
            while let Some(value) = arguments.next_if(|value| !value.starts_with("--")) {
                values.push(value);
            }
            match option.as_str() {
                "--sources" => options.sources = values,
                "--only" => options.only = values,
                "--whole" if values.is_empty() => options.whole = true,
                "--whole" => return Err("--whole takes no value".to_owned()),
                _ => {
                    let [value] = values.as_slice() else {
                        return Err(format!("{option} needs one value"));
                    };
                    let value = value.clone();
                    let number = || value.parse::<usize>().map_err(|e| format!("{option}: {e}"));
                    match option.as_str() {
                        "--table" => table = Some(value),
                        "--protocols" => options.protocols = Some(value),
                        "--models" => options.models = Some(value),
                        "--facade" => options.facade = value,
                        "--jobs" => options.jobs = number()?,
                        "--limit" => options.limit = Duration::from_secs(number()? as u64),
                        "--into" => options.into = Some(value),
                        "--seconds" => options.seconds = number()?,
                        "--run" => action = Some(Action::Run(value)),
                        "--list" => action = Some(Action::List(value)),
                        "--check" => action = Some(Action::Check(value)),
                        "--update" => action = Some(Action::Update(value)),
                        "--faults" => action = Some(Action::Faults(value)),
                        "--bounds" => action = Some(Action::Bounds(value)),
                        _ => return Err(format!("no such option: {option}")),
                    }
                }
            }
        }
        options.action = action.ok_or("an action is missing")?;
        if !matches!(options.action, Action::Bounds(_)) {
            if options.sources.is_empty() {
                return Err("--sources is missing".to_owned());
            }
            options.table = table.ok_or("--table is missing")?;
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Options, String> {
        Options::parse(text.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn lists_flags_and_values() {
        let options = parse("--sources a b --table t --whole --check r --models m --jobs 3");
        let options = options.expect("the arguments match the usage");
        assert_eq!(options.sources, ["a", "b"]);
        assert_eq!(options.action, Action::Check("r".to_owned()));
        assert_eq!(options.models.as_deref(), Some("m"));
        assert!(options.whole);
        assert_eq!(options.jobs, 3);
    }

    #[test]
    fn each_action_has_required_options() {
        assert!(parse("--table t --check r").is_err());
        assert!(parse("--sources a --check r").is_err());
        assert!(parse("--sources a --table t").is_err());
        assert!(parse("--bounds f").is_ok());
    }

    #[test]
    fn unknown_arguments_are_rejected() {
        assert!(parse("--sources a --table t --chekc r").is_err());
        assert!(parse("--sources a --table t --check r --whole yes").is_err());
        assert!(parse("--bounds f --seconds soon").is_err());
    }
}
