//! The lines of one crate's listing.

use std::collections::BTreeSet;
use std::fmt;

use public_api::Builder;

use crate::workspace::Workspace;

/// Traits that the compiler implements for its own use. They differ between its versions, and no
/// stable code can name them.
const INTERNAL_TRAITS: [&str; 4] = [
    "core::clone::TrivialClone",
    "core::marker::Freeze",
    "core::marker::StructuralPartialEq",
    "core::marker::UnsafeUnpin",
];

/// The public items of a crate.
pub(crate) struct Listing {
    documented: Vec<String>,
    /// Public, but `#[doc(hidden)]`.
    hidden: Vec<String>,
}

impl Listing {
    /// Runs rustdoc on a package and reads its items.
    pub(crate) fn of(workspace: &Workspace, package: &str) -> Result<Self, String> {
        let items = |has_hidden| {
            let json = workspace.rustdoc_json(package, has_hidden)?;
            // Blanket implementations are those of `core`, the same for every type.
            let api = Builder::from_rustdoc_json(json)
                .omit_blanket_impls(true)
                .build();
            let api = api.map_err(|error| format!("{package}: {error}"))?;
            let lines = api.items().map(ToString::to_string);
            Ok::<Vec<String>, String>(lines.filter(|line| !is_internal(line)).collect())
        };
        let documented = items(false)?;
        let known: BTreeSet<&String> = documented.iter().collect();
        let mut hidden = items(true)?;
        hidden.retain(|line| !known.contains(line));
        Ok(Self { documented, hidden })
    }
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.documented {
            writeln!(f, "{line}")?;
        }
        if !self.hidden.is_empty() {
            writeln!(f, "\nhidden from the documentation:\n")?;
        }
        for line in &self.hidden {
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}

/// A method that `derive(Eq)` writes, hidden.
const DERIVED_METHOD: &str = "::assert_fields_are_eq(&self)";

/// Returns `true` if the line is an implementation of one of the [`INTERNAL_TRAITS`], or the
/// [`DERIVED_METHOD`].
fn is_internal(line: &str) -> bool {
    let implements = line.starts_with("impl")
        && INTERNAL_TRAITS.iter().any(|name| {
            line.split_once(" for ")
                .is_some_and(|(implemented, _)| implemented.ends_with(name))
        });
    implements || line.ends_with(DERIVED_METHOD)
}

/// Returns the lines that only one of two listings has, with a sign. If they have the same lines in
/// another order, returns one line that says so.
pub(crate) fn changes(committed: &str, current: &str) -> Vec<String> {
    let (old, new): (BTreeSet<&str>, BTreeSet<&str>) =
        (committed.lines().collect(), current.lines().collect());
    let removed = committed.lines().filter(|line| !new.contains(line));
    let added = current.lines().filter(|line| !old.contains(line));
    let mut changes: Vec<String> = removed.map(|line| format!("- {line}")).collect();
    changes.extend(added.map(|line| format!("+ {line}")));
    if changes.is_empty() && committed != current {
        changes.push("the lines are the same, in another order or number".to_owned());
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::{Listing, changes, is_internal};

    #[test]
    fn a_listing_has_the_hidden_items_apart() {
        let listing = |hidden: &[&str]| Listing {
            documented: vec!["pub mod a".to_owned()],
            hidden: hidden.iter().map(|&line| line.to_owned()).collect(),
        };
        assert_eq!(listing(&[]).to_string(), "pub mod a\n");
        assert_eq!(
            listing(&["pub mod a::b"]).to_string(),
            "pub mod a\n\nhidden from the documentation:\n\npub mod a::b\n"
        );
    }

    #[test]
    fn the_compilers_own_traits_are_left_out() {
        assert!(is_internal(
            "impl<F> core::marker::Freeze for a::B<F> where F: core::marker::Freeze"
        ));
        assert!(!is_internal(
            "impl<F> core::marker::Send for a::B<F> where F: core::marker::Freeze"
        ));
        assert!(is_internal("pub fn a::B::assert_fields_are_eq(&self)"));
        assert!(!is_internal("pub fn a::f()"));
    }

    #[test]
    fn changes_are_the_lines_of_one_side_alone() {
        assert!(changes("a\nb\n", "a\nb\n").is_empty());
        assert_eq!(changes("a\nb\n", "a\nc\n"), ["- b", "+ c"]);
        assert_eq!(changes("", "a\n"), ["+ a"]);
        assert_eq!(changes("a\nb\n", "b\na\n").len(), 1);
    }
}
