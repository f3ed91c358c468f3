//! The items of the contract, by number.

use std::fmt;
use std::ops::RangeInclusive;

/// The text of the contract.
const CONTRACT: &str = framewise_context::contract::TEXT;

/// The numbers of the items that the suite knows. The others of the contract are about features of
/// the `framewise` runtime, or about features to come.
const KNOWN: [RangeInclusive<u8>; 3] = [1..=83, 85..=86, 93..=98];

/// An item of the contract: `C-25`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Item(u8);

impl Item {
    /// Returns the item of that number.
    ///
    /// # Panics
    ///
    /// Panics if the suite does not know the item.
    pub fn new(number: u8) -> Self {
        assert!(
            KNOWN.iter().any(|range| range.contains(&number)),
            "the suite does not know C-{number}"
        );
        Self(number)
    }

    /// Returns the item that a check's name begins with: 25 of `c25_captured_at_spawn`.
    ///
    /// # Panics
    ///
    /// Panics if the name does not begin with an item's number.
    pub(crate) fn of_name(name: &str) -> Self {
        let number = name
            .strip_prefix('c')
            .and_then(|name| name.split_once('_'))
            .and_then(|(number, _)| number.parse().ok());
        Self::new(number.expect("a check's name begins with its item: c25_..."))
    }

    /// Returns every item that the suite knows.
    pub fn all() -> impl Iterator<Item = Self> {
        KNOWN.into_iter().flatten().map(Self)
    }

    /// Returns the item's number.
    pub fn number(self) -> u8 {
        self.0
    }

    /// Returns the item's text in the contract.
    pub fn text(self) -> String {
        let start = format!("- C-{} ", self.0);
        let mut lines = CONTRACT
            .lines()
            .skip_while(|line| !line.starts_with(&start));
        let first = lines.next().unwrap_or_default().trim_start_matches(&start);
        let rest = lines
            .take_while(|line| line.starts_with("  "))
            .map(str::trim);
        std::iter::once(first)
            .chain(rest)
            .collect::<Vec<_>>()
            .join(" ")
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("C-{}", self.0))
    }
}

impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
