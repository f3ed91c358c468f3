//! `DefaultVar`: a variable that always has a value.

use std::fmt;
use std::ops::Deref;

use crate::ContextVar;

/// A [`ContextVar`] with a default: where it is not bound, it reads as the default.
///
/// It derefs to its variable, so it is bound like any other, and [`bind`](crate::bind) takes it.
///
/// # Examples
///
/// ```
/// use framewise_context::{DefaultVar, bind};
/// static RETRIES: DefaultVar<u32> = DefaultVar::new("retries", 3);
///
/// assert_eq!(RETRIES.get(), 3);
/// assert_eq!(RETRIES.run(5, || RETRIES.get()), 5);
/// bind(&RETRIES, 7).run(|| assert_eq!(RETRIES.get(), 7));
/// ```
pub struct DefaultVar<T: Send + Sync + 'static> {
    var: ContextVar<T>,
    default: T,
}

impl<T: Send + Sync + 'static> DefaultVar<T> {
    /// Declares a variable that reads as `default` where it is not bound. For the name, see
    /// [`ContextVar::new`].
    pub const fn new(name: &'static str, default: T) -> Self {
        Self {
            var: ContextVar::new(name),
            default,
        }
    }

    /// Makes the variable absent in spawned tasks, where it reads as the default; see
    /// [`ContextVar::not_inherited`].
    pub const fn not_inherited(mut self) -> Self {
        self.var.inherited = false;
        self.var.role.on_spawn = None;
        self
    }

    /// Sets the function that decides what a spawned task gets; see [`ContextVar::inherit_with`].
    /// It is not asked for the default.
    pub const fn inherit_with(mut self, on_spawn: fn(&T) -> Option<T>) -> Self {
        self.var.set_inherit_with(on_spawn);
        self
    }

    /// Sets callbacks for the thread on which the value becomes current, or ceases to be; see
    /// [`ContextVar::mirrored`]. They are not called with the default.
    pub const fn mirrored(mut self, on_enter: fn(&T), on_leave: fn(&T)) -> Self {
        self.var.role.set_on_change(on_enter, on_leave);
        self
    }

    /// Calls `read` with the bound value, or with the default.
    ///
    /// `read` may do anything, including binding this variable: the value that it was given stays.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise_context::DefaultVar;
    /// static TAGS: DefaultVar<Vec<&str>> = DefaultVar::new("tags", Vec::new());
    ///
    /// // Without a clone of the list.
    /// let count = || TAGS.with(|tags| tags.len());
    /// assert_eq!(count(), 0);
    /// assert_eq!(TAGS.run(vec!["slow", "paid"], count), 2);
    /// ```
    #[inline]
    pub fn with<R>(&'static self, read: impl FnOnce(&T) -> R) -> R {
        // SAFETY: (rule 4) the current frame is alive until the `run` that made it current returns,
        // which encloses this call; so is the value, which is a `T` (rule 1).
        match unsafe { self.var.bound().as_ref() } {
            Some(value) => read(value),
            // A separate call, so that the path above does not compute the default's address.
            None => read(&self.default),
        }
    }

    /// Returns the bound value, or the default.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise_context::DefaultVar;
    /// static RETRIES: DefaultVar<u32> = DefaultVar::new("retries", 3);
    ///
    /// assert_eq!(RETRIES.get(), 3);
    /// assert!(!RETRIES.is_bound());
    /// assert!(RETRIES.run(3, || RETRIES.is_bound()));
    /// ```
    #[inline]
    pub fn get(&'static self) -> T
    where
        T: Clone,
    {
        self.with(T::clone)
    }
}

impl<T: Send + Sync + 'static> Deref for DefaultVar<T> {
    type Target = ContextVar<T>;

    /// Returns the variable, whose [`get`](ContextVar::get) knows no default.
    #[inline]
    fn deref(&self) -> &ContextVar<T> {
        &self.var
    }
}

impl<T: Send + Sync + fmt::Debug + 'static> fmt::Debug for DefaultVar<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DefaultVar")
            .field("name", &self.name())
            .field("default", &self.default)
            .finish_non_exhaustive()
    }
}
