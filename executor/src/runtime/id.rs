//! What tells runtimes apart: their `Id`s, and the names that users give them.

use std::fmt;
use std::num::NonZero;
use std::ptr::NonNull;

use super::{Builder, Handle, Runtime};

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

    /// Returns the name of the runtime, if it has one; see [`Builder::name`].
    pub fn name(&self) -> Option<&str> {
        self.spawner.shared.name.get().map(|name| &**name)
    }
}

impl Builder {
    /// Names the runtime, for code that finds itself in one of several. By default it has no name.
    /// (The names of its threads are another setting: [`thread_name`](Self::thread_name).)
    ///
    /// # Panics
    ///
    /// Panics if the name is empty, or has only blanks.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::runtime::{Builder, Handle};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let runtime = Builder::new().name("orders").build()?;
    /// let name = runtime.block_on(async { Handle::current().name().map(str::to_owned) });
    /// assert_eq!(name.as_deref(), Some("orders"));
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        assert!(
            !name.trim().is_empty(),
            "a runtime's name must not be empty"
        );
        self.name = Some(name.into_boxed_str());
        self
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
