//! The generated package: tokio's tests, and a manifest whose `tokio` is framewise-tokio.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::TOKIO;
use crate::lists::Files;

/// The features that the tests ask for by `cfg(feature = ...)`.
const FEATURES: &str = "full fs io-std io-util macros net process rt rt-multi-thread signal sync \
                        test-util time parking_lot";

/// The features that tokio's tests ask for, but which are off.
const OFF: &str = "tracing taskdump io-uring schedule-latency";

/// The files that tokio has for `tokio_unstable` alone, and which take part: what they test is
/// stable here. Over tokio itself they are left out, so their numbers in `files.txt` are those of
/// the source.
const STABLE_HERE: [&str; 2] = ["rt_poll_callbacks", "task_hooks"];

/// The generated package.
pub(crate) struct Package {
    pub(crate) directory: PathBuf,
    pub(crate) target: PathBuf,
    /// The test files that take part.
    pub(crate) files: BTreeSet<String>,
}

impl Package {
    /// Writes the package. `named` are the files to take, or empty for all.
    pub(crate) fn generate(files: &Files, named: &[&str], baseline: bool) -> Result<Self, String> {
        let workspace = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
        let metadata = metadata(&workspace)?;
        let sources = tokio_sources(&metadata)?;
        let root = metadata["workspace_root"]
            .as_str()
            .ok_or("no workspace root")?;
        let target = metadata["target_directory"]
            .as_str()
            .ok_or("no target directory")?;
        let target = Path::new(target).join("tokio-tests");
        let directory = target.join(if baseline { "baseline" } else { "package" });
        let tests = directory.join("tests");
        let fail = |error: std::io::Error| format!("{}: {error}", directory.display());
        let _ = fs::remove_dir_all(directory.join("tests-new"));
        fs::create_dir_all(tests.join("support")).map_err(fail)?;
        fs::create_dir_all(directory.join("src")).map_err(fail)?;

        let mut taken = BTreeSet::new();
        for entry in fs::read_dir(sources.join("tests")).map_err(fail)? {
            let path = entry.map_err(fail)?.path();
            let Some(name) = path.file_stem().and_then(|name| name.to_str()) else {
                continue;
            };
            if path.is_dir() {
                copy_directory(&path, &tests.join(name))?;
                continue;
            }
            let entry = files.files.get(name);
            let entry = entry.ok_or_else(|| format!("files.txt does not name {name}"))?;
            let is_wanted = named.is_empty() || named.contains(&name);
            let is_stable_here = STABLE_HERE.contains(&name);
            if entry.left_out.is_none() && is_wanted && !(baseline && is_stable_here) {
                let mut text = read(&path)?;
                if is_stable_here {
                    // In the condition at the file's beginning.
                    text = text.replacen("tokio_unstable", "all()", 1);
                }
                write_if_changed(&tests.join(format!("{name}.rs")), &text)?;
                taken.insert(name.to_owned());
            }
        }
        for entry in fs::read_dir(&tests).map_err(fail)? {
            let path = entry.map_err(fail)?.path();
            let name = path.file_stem().and_then(|name| name.to_str());
            if path.is_file() && !name.is_some_and(|name| taken.contains(name)) {
                fs::remove_file(&path).map_err(fail)?;
            }
        }
        let dependency = if baseline {
            format!("tokio = {{ version = \"={TOKIO}\", features = [\"full\", \"test-util\"] }}")
        } else {
            format!(
                "tokio = {{ package = \"framewise-tokio\", path = \"{root}/integrations/tokio\", \
                 features = [\"full\", \"test-util\"] }}"
            )
        };
        write_if_changed(&directory.join("Cargo.toml"), &manifest(&dependency)?)?;
        write_if_changed(&directory.join("src/lib.rs"), "")?;
        if !directory.join("Cargo.lock").exists() || !baseline {
            let lock = read(&Path::new(root).join("Cargo.lock"))?;
            write_if_changed(&directory.join("Cargo.lock.workspace"), &lock)?;
            fs::write(directory.join("Cargo.lock"), lock).map_err(fail)?;
        }
        Ok(Self {
            directory,
            target: target.join("target"),
            files: taken,
        })
    }

    /// Returns the copy of a test file.
    pub(crate) fn test_file(&self, name: &str) -> PathBuf {
        self.directory.join("tests").join(format!("{name}.rs"))
    }
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Writes a file unless it is so already, so that cargo does not build it again.
pub(crate) fn write_if_changed(path: &Path, text: &str) -> Result<(), String> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

fn copy_directory(from: &Path, to: &Path) -> Result<(), String> {
    let fail = |error: std::io::Error| format!("{}: {error}", from.display());
    fs::create_dir_all(to).map_err(fail)?;
    for entry in fs::read_dir(from).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        write_if_changed(&to.join(entry.file_name()), &read(&entry.path())?)?;
    }
    Ok(())
}

/// Returns what cargo knows of the workspace; it fetches what is missing.
fn metadata(workspace: &Path) -> Result<Value, String> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--format-version=1"])
        .current_dir(workspace)
        .output()
        .map_err(|error| format!("cargo metadata: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo metadata: {error}"))
}

/// Returns the directory of tokio's published package.
fn tokio_sources(metadata: &Value) -> Result<PathBuf, String> {
    let packages = metadata["packages"].as_array().ok_or("no packages")?;
    let tokio = packages
        .iter()
        .find(|package| package["name"] == "tokio")
        .ok_or("the workspace does not depend on tokio")?;
    if tokio["version"] != TOKIO {
        return Err(format!(
            "the lists are about the tests of tokio {TOKIO}, but Cargo.lock has {}: change TOKIO in \
             main.rs, then run with --baseline and see what differs",
            tokio["version"]
        ));
    }
    let manifest = tokio["manifest_path"].as_str().ok_or("no manifest path")?;
    let directory = Path::new(manifest).parent().ok_or("no directory")?;
    Ok(directory.to_owned())
}

/// Returns the manifest: this package's table of the tests' dependencies, and that of `tokio`.
fn manifest(tokio: &str) -> Result<String, String> {
    let own = read(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))?;
    let table = "[target.'cfg(framewise_tokio_tests)'.dependencies]";
    let (_, dependencies) = own.split_once(table).ok_or("no table of dependencies")?;
    let dependencies = dependencies.split("\n[").next().unwrap_or_default();
    let features = |names: &str| {
        let lines = names
            .split_whitespace()
            .map(|name| format!("{name} = []\n"));
        lines.collect::<String>()
    };
    let on: Vec<String> = FEATURES
        .split_whitespace()
        .map(|name| format!("{name:?}"))
        .collect();
    Ok(format!(
        "# Generated by tools/tokio-tests.\n\
         [workspace]\n\n\
         [package]\nname = \"tokio-tests-generated\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\
         publish = false\nhomepage = \"https://tokio.rs\"\n\n\
         [features]\ndefault = [{}]\n{}{}\n\
         [dev-dependencies]\n{tokio}\n{dependencies}\n\
         [lints.rust]\nwarnings = \"allow\"\n\n\
         [profile.dev]\ndebug = false\nincremental = false\n",
        on.join(", "),
        features(FEATURES),
        features(OFF),
    ))
}
