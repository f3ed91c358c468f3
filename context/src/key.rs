//! The names of this process's variables. `statics/names.rs` assigns a key its index.
//!
//! Knows nothing of frames.

use crate::statics::names::Names;

pub(crate) use crate::statics::names::Key;

/// The names of all variables in use, by index.
static NAMES: Names = Names::new();

/// Returns the index of a variable's key, and assigns it first if necessary.
#[inline]
pub(crate) fn index(key: &Key, name: &'static str) -> u32 {
    key.index(&NAMES, name)
}

/// Returns the name of the variable with this index.
pub(crate) fn name(index: u32) -> &'static str {
    NAMES.name(index)
}
