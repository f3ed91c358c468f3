//! What cargo knows of the workspace: its published crates, and rustdoc's JSON for each of them.
//!
//! This file must not know what the lines of a listing are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Where things are, and which packages are published.
pub(crate) struct Workspace {
    /// The committed listings.
    pub(crate) listings: PathBuf,
    /// The packages with a library that cargo may publish, in alphabetical order.
    pub(crate) published: Vec<String>,
    root: PathBuf,
    /// Apart from other builds: `RUSTC_BOOTSTRAP` would make cargo build their dependencies again.
    target: PathBuf,
}

impl Workspace {
    pub(crate) fn load() -> Result<Self, String> {
        let tool = Path::new(env!("CARGO_MANIFEST_DIR"));
        let text = output(Command::new("cargo").current_dir(tool).args([
            "metadata",
            "--locked",
            "--no-deps",
            "--format-version=1",
        ]))?;
        let metadata: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        let path = |key: &str| {
            let path = metadata[key].as_str().map(PathBuf::from);
            path.ok_or_else(|| format!("cargo metadata has no {key}"))
        };
        let packages = metadata["packages"]
            .as_array()
            .map_or(&[][..], Vec::as_slice);
        let mut published: Vec<String> = packages
            .iter()
            .filter(|package| package["publish"].is_null() && has_library(package))
            .filter_map(|package| package["name"].as_str().map(str::to_owned))
            .collect();
        published.sort();
        if published.is_empty() {
            return Err("cargo metadata names no published library".to_owned());
        }
        Ok(Self {
            listings: tool.join("listings"),
            published,
            root: path("workspace_root")?,
            target: path("target_directory")?.join("public-api"),
        })
    }

    /// Runs rustdoc and returns the path of its JSON. Hidden items are included if `has_hidden`.
    pub(crate) fn rustdoc_json(&self, package: &str, has_hidden: bool) -> Result<PathBuf, String> {
        let mut command = Command::new("cargo");
        command
            .current_dir(&self.root)
            // rustdoc's JSON is unstable, and the listings name the one compiler that they are for.
            .env("RUSTC_BOOTSTRAP", "1")
            .env_remove("RUSTDOCFLAGS")
            .args([
                "rustdoc",
                "--quiet",
                "--locked",
                "--lib",
                "--all-features",
                "--package",
                package,
            ])
            .arg("--target-dir")
            .arg(&self.target)
            .args([
                "--",
                "-Zunstable-options",
                "--output-format=json",
                "--cap-lints=allow",
            ]);
        if has_hidden {
            command.arg("--document-hidden-items");
        }
        output(&mut command)?;
        let name = package.replace('-', "_") + ".json";
        Ok(self.target.join("doc").join(name))
    }

    /// Returns the listings that are not `expected`.
    pub(crate) fn stray_listings(&self, expected: &[String]) -> Result<Vec<PathBuf>, String> {
        let entries = fs::read_dir(&self.listings)
            .map_err(|error| format!("{}: {error}", self.listings.display()))?;
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        Ok(names
            .filter(|name| !expected.contains(name))
            .map(|name| self.listings.join(name))
            .collect())
    }
}

fn has_library(package: &Value) -> bool {
    let targets = package["targets"].as_array().map_or(&[][..], Vec::as_slice);
    let mut kinds = targets
        .iter()
        .filter_map(|target| target["kind"].as_array())
        .flatten();
    kinds.any(|kind| kind == "lib" || kind == "proc-macro")
}

/// Returns the compiler's major and minor version, as in `1.95`.
pub(crate) fn rustc_version() -> Result<String, String> {
    let text = output(Command::new("rustc").arg("--version"))?;
    let version = text.split_whitespace().nth(1).unwrap_or_default();
    match version.rsplit_once('.') {
        // A nightly compiler's format is not that of the release.
        Some((minor, patch)) if patch.parse::<u32>().is_ok() => Ok(minor.to_owned()),
        _ => Ok(version.to_owned()),
    }
}

/// Runs a command and returns its standard output.
fn output(command: &mut Command) -> Result<String, String> {
    let output = command
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{command:?} failed:\n{errors}"));
    }
    String::from_utf8(output.stdout).map_err(|error| error.to_string())
}
