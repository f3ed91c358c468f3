//! How a check ends.

use std::fmt;

/// What a check returns: `Ok` if the item held.
pub(crate) type CheckResult = Result<(), CheckError>;

/// Why a check did not hold.
#[derive(Clone, Debug)]
pub(crate) enum CheckError {
    /// The subject under test broke the item.
    Failed(Failure),
    /// The subject under test lacks the ability that the item is about.
    NotApplicable(String),
}

/// What was expected, what was seen, and the likely cause of the difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What the contract promises here.
    pub expected: String,
    /// What the check saw instead.
    pub seen: String,
    /// The likely cause, in the terms of the subject's author. Empty if unknown.
    pub cause: String,
}

impl Failure {
    /// Makes a failure of these parts.
    pub fn new(
        expected: impl Into<String>,
        seen: impl Into<String>,
        cause: impl Into<String>,
    ) -> Self {
        Self {
            expected: expected.into(),
            seen: seen.into(),
            cause: cause.into(),
        }
    }
}

impl From<Failure> for CheckError {
    fn from(failure: Failure) -> Self {
        CheckError::Failed(failure)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "      expected: {}", self.expected)?;
        write!(f, "      seen:     {}", self.seen)?;
        if !self.cause.is_empty() {
            write!(f, "\n      likely:   {}", self.cause)?;
        }
        Ok(())
    }
}

/// Compares what was seen with what the contract promises. `causes` has the likely cause of each
/// wrong value.
///
/// # Errors
///
/// A [`Failure`], if they differ.
pub(crate) fn expect<T: PartialEq + fmt::Debug>(
    what: &str,
    expected: T,
    seen: T,
    causes: &[(T, &str)],
) -> CheckResult {
    if expected == seen {
        return Ok(());
    }
    let cause = causes
        .iter()
        .find(|(value, _)| *value == seen)
        .map_or("", |(_, cause)| cause);
    Err(Failure::new(format!("{what}: {expected:?}"), format!("{seen:?}"), cause).into())
}

/// Like [`expect`], for a condition.
///
/// # Errors
///
/// A [`Failure`], if `holds` is false.
pub(crate) fn ensure(holds: bool, expected: &str, seen: &str, cause: &str) -> CheckResult {
    if holds {
        Ok(())
    } else {
        Err(Failure::new(expected, seen, cause).into())
    }
}

/// Compares the entries of a log, label by label, with what the contract promises.
///
/// # Errors
///
/// A [`Failure`] that has the first entry that differs.
pub(crate) fn expect_entries<T: PartialEq + fmt::Debug + Copy>(
    seen: &[(&'static str, T)],
    expected: &[(&'static str, T)],
    causes: &[(T, &str)],
) -> CheckResult {
    let labels = |entries: &[(&'static str, T)]| -> Vec<_> {
        entries.iter().map(|&(label, _)| label).collect()
    };
    expect(
        "what happens, in order",
        labels(expected),
        labels(seen),
        &[],
    )?;
    for (&(label, expected), &(_, seen)) in expected.iter().zip(seen) {
        expect(&format!("ID, {label}"), expected, seen, causes)?;
    }
    Ok(())
}
