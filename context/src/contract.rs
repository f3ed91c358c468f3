#![doc = include_str!("../CONTRACT.md")]

/// The contract's text, for tools that report on it.
pub const TEXT: &str = include_str!("../CONTRACT.md");
