//! The items of the contract, by number.

use std::fmt;

/// The contract, as this version of the suite knows it.
const CONTRACT: &str = framewise_context::contract::TEXT;

/// The items that the suite checks are 1 to this one.
pub const LAST_ITEM: u8 = 83;

/// An item of the contract: `C-25`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Item(u8);

impl Item {
    /// The item of that number.
    ///
    /// # Panics
    ///
    /// Panics if the contract has no such item.
    pub fn new(number: u8) -> Self {
        assert!(
            (1..=LAST_ITEM).contains(&number),
            "the suite knows C-1 to C-{LAST_ITEM}, not C-{number}"
        );
        Self(number)
    }

    /// The item that a check's name begins with: 25 of `c25_captured_at_spawn`.
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

    /// Every item that the suite checks.
    pub fn all() -> impl Iterator<Item = Self> {
        (1..=LAST_ITEM).map(Self)
    }

    /// Its number.
    pub fn number(self) -> u8 {
        self.0
    }

    /// What the contract says.
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
