//! Lists the public API of each published crate, and compares it with the committed listing, so
//! that a change of the API shows in review.
//!
//! ```text
//! cargo run -p framewise-public-api               compares, and prints the lines that differ
//! cargo run -p framewise-public-api -- --update   writes the listings again
//! ```
//!
//! A listing has one line an item, with all features on: first what is documented, then what is
//! public but hidden from the documentation. The crate `public-api` makes the lines from rustdoc's
//! JSON, whose format belongs to one version of the compiler. With another one the comparison is
//! skipped.

mod listing;
mod workspace;

use std::fs;
use std::process::ExitCode;

use listing::Listing;
use workspace::Workspace;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_update = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => false,
        ["--update"] => true,
        _ => {
            eprintln!("usage: framewise-public-api [--update]");
            return ExitCode::from(2);
        }
    };
    match run(is_update) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            println!(
                "\nThe public API is not what tools/public-api/listings says. If the change is meant:\n\
                 cargo run -p framewise-public-api -- --update"
            );
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("public API: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Compares or writes every listing. Returns `false` if one differs.
fn run(is_update: bool) -> Result<bool, String> {
    let workspace = Workspace::load()?;
    let rustc = workspace::rustc_version()?;
    let made_with = fs::read_to_string(workspace.listings.join("RUSTC")).unwrap_or_default();
    if !is_update && made_with.trim() != rustc {
        println!(
            "public API: made with rustc {}; this is {rustc}: skipped",
            made_with.trim()
        );
        return Ok(true);
    }

    let mut is_same = true;
    let mut expected = vec!["RUSTC".to_owned()];
    for package in &workspace.published {
        let listing = Listing::of(&workspace, package)?.to_string();
        let name = format!("{package}.txt");
        let path = workspace.listings.join(&name);
        expected.push(name);
        if is_update {
            fs::write(&path, listing).map_err(|error| format!("{}: {error}", path.display()))?;
            continue;
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        let changes = listing::changes(&committed, &listing);
        if changes.is_empty() {
            println!(
                "public API of {package}: {} lines, as listed",
                listing.lines().count()
            );
        } else {
            println!("public API of {package} differs:\n{}", changes.join("\n"));
            is_same = false;
        }
    }

    for stray in workspace.stray_listings(&expected)? {
        if is_update {
            fs::remove_file(&stray).map_err(|error| format!("{}: {error}", stray.display()))?;
        } else {
            println!("{}: no published crate has this name", stray.display());
            is_same = false;
        }
    }
    if is_update {
        let path = workspace.listings.join("RUSTC");
        fs::write(&path, rustc + "\n").map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(is_same)
}
