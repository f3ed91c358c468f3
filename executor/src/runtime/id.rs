//! `Id`: what tells runtimes apart.

use std::fmt;
use std::num::NonZero;
use std::ptr::NonNull;

use super::{Handle, Runtime};

/// Identifies a runtime among all that exist at the same time.
///
/// A runtime exists as long as it, one of its [`Handle`](super::Handle)s, or one of its tasks does.
/// A later runtime may have the same id.
///
/// # Examples
///
/// ```
/// use framewise::runtime::{Handle, Runtime};
///
/// # fn main() -> std::io::Result<()> {
/// let (one, two) = (Runtime::new()?, Runtime::new()?);
/// assert_ne!(one.id(), two.id());
/// assert_eq!(one.block_on(async { Handle::current().id() }), one.id());
/// # Ok(())
/// # }
/// ```
// The address of what the runtime's workers share.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(NonZero<usize>);

impl Runtime {
    /// Returns the id of this runtime; see [`Handle::id`].
    pub fn id(&self) -> Id {
        self.handle().id()
    }
}

impl Handle {
    /// Returns the id of the runtime.
    pub fn id(&self) -> Id {
        Id(NonNull::from(&*self.spawner.shared).addr())
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Id").field(&self.0).finish()
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
