//! Builds the test files, each on its own. From a file that does not compile, the items with errors
//! are taken out until it does.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::items::{Items, Removed};
use crate::package::Package;

/// How many times a file is built with fewer items.
const ROUNDS: usize = 12;

/// What was built of a test file.
#[derive(Default)]
pub(crate) struct Built {
    /// The test program, if there is one.
    pub(crate) program: Option<PathBuf>,
    /// The functions that were taken out, with the first error.
    pub(crate) removed: BTreeMap<String, String>,
}

/// An error of the compiler in a test file.
#[derive(Clone, Debug)]
pub(crate) struct CompileError {
    pub(crate) message: String,
    /// The place in the test file, in bytes.
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// Builds everything.
pub(crate) fn build(package: &Package) -> Result<BTreeMap<String, Built>, String> {
    let mut built: BTreeMap<String, Built> = package
        .files
        .iter()
        .map(|file| (file.clone(), Built::default()))
        .collect();
    let mut to_build = package.files.clone();
    for round in 0..ROUNDS {
        let (programs, errors) = cargo_build(package, &to_build)?;
        for (file, program) in programs {
            if let Some(built) = built.get_mut(&file) {
                built.program = Some(program);
            }
        }
        to_build = BTreeSet::new();
        for (file, errors) in errors {
            let Some(built) = built.get_mut(&file) else {
                continue;
            };
            if built.program.is_some() {
                continue;
            }
            let path = package.test_file(&file);
            let text = fs::read_to_string(&path).map_err(|error| error.to_string())?;
            let mut items = Items::new(text);
            let mut changed = false;
            for error in &errors {
                match items.remove(error) {
                    Some(Removed::Function(name)) => {
                        changed = true;
                        built
                            .removed
                            .entry(name)
                            .or_insert_with(|| error.message.clone());
                    }
                    Some(Removed::Other) => changed = true,
                    None => {}
                }
            }
            if changed && round + 1 < ROUNDS {
                fs::write(&path, items.into_text()).map_err(|error| error.to_string())?;
                to_build.insert(file);
            } else {
                let first = errors
                    .first()
                    .map_or("it does not compile", |error| &error.message);
                eprintln!("{file}: {first}");
                built
                    .removed
                    .entry("*".to_owned())
                    .or_insert_with(|| first.to_owned());
            }
        }
        if to_build.is_empty() {
            break;
        }
        eprintln!("build again without what does not compile: {to_build:?}");
    }
    Ok(built)
}

type BuildResult = (
    BTreeMap<String, PathBuf>,
    BTreeMap<String, Vec<CompileError>>,
);

/// Runs cargo for these test files. Returns the programs, and the errors of files without one.
fn cargo_build(package: &Package, files: &BTreeSet<String>) -> Result<BuildResult, String> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["build", "--keep-going", "--message-format=json", "--quiet"])
        .arg("--target-dir")
        .arg(&package.target)
        .current_dir(&package.directory)
        .stdout(Stdio::piped());
    for file in files {
        cargo.args(["--test", file]);
    }
    let mut cargo = cargo.spawn().map_err(|error| format!("cargo: {error}"))?;
    let output = cargo.stdout.take().ok_or("no output")?;
    let mut programs = BTreeMap::new();
    let mut errors: BTreeMap<String, Vec<CompileError>> = BTreeMap::new();
    for line in BufReader::new(output).lines() {
        let line = line.map_err(|error| error.to_string())?;
        let Ok(message) = serde_json::from_str::<Value>(&line) else {
            continue;
        };
        let file = message["target"]["name"].as_str().unwrap_or_default();
        let is_test = message["target"]["kind"][0] == "test";
        match message["reason"].as_str() {
            Some("compiler-artifact") if is_test => {
                if let Some(program) = message["executable"].as_str() {
                    programs.insert(file.to_owned(), PathBuf::from(program));
                }
            }
            Some("compiler-message") if message["message"]["level"] == "error" => {
                if !is_test {
                    let rendered = message["message"]["rendered"].as_str();
                    return Err(rendered
                        .unwrap_or("a dependency does not compile")
                        .to_owned());
                }
                let found = compile_error(&message["message"], file);
                errors.entry(file.to_owned()).or_default().extend(found);
            }
            _ => {}
        }
    }
    cargo.wait().map_err(|error| error.to_string())?;
    if programs.is_empty() && errors.is_empty() {
        return Err("cargo built nothing; see above".to_owned());
    }
    Ok((programs, errors))
}

/// Returns the message and the place of an error: of its primary span, or of where the macro that
/// it is in was called from the test file.
fn compile_error(message: &Value, file: &str) -> Option<CompileError> {
    let name = format!("tests/{file}.rs");
    let spans = message["spans"].as_array()?;
    let primary = spans.iter().filter(|span| span["is_primary"] == true);
    let others = spans.iter().filter(|span| span["is_primary"] != true);
    for span in primary.chain(others) {
        let mut span = span;
        while !span.is_null() {
            if span["file_name"]
                .as_str()
                .is_some_and(|path| path.ends_with(&name))
            {
                let offset = |key: &str| span[key].as_u64().and_then(|at| usize::try_from(at).ok());
                return Some(CompileError {
                    message: message["message"].as_str()?.to_owned(),
                    start: offset("byte_start")?,
                    end: offset("byte_end")?,
                });
            }
            span = &span["expansion"]["span"];
        }
    }
    None
}
