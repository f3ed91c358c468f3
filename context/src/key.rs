//! The names of this process's variables. How a key gets its index is `statics/names.rs`'s.
//!
//! Knows nothing of frames.

use crate::statics::names::Names;

pub(crate) use crate::statics::names::Key;

/// The names of all variables in use, by index.
static NAMES: Names = Names::new();

/// The index of a variable's key, assigned now if it was not.
#[inline]
pub(crate) fn index(key: &Key, name: &'static str) -> u32 {
    key.index(&NAMES, name)
}

/// The name of the variable with this index.
pub(crate) fn name(index: u32) -> &'static str {
    NAMES.name(index)
}
