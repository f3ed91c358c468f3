//! The role of a variable: what it does besides holding a value. It may be mirrored
//! ([`mirror`](crate::mirror)), and it may decide what a spawned task gets
//! ([`inherit`](crate::inherit)).
//!
//! An ordinary variable has no role, and a bind learns this by one load. A variable with a role is
//! **enlisted** before its first frame exists. So a thread that enters such a frame, which it
//! received through synchronization, finds the variable in the lists.

use framewise_sync::statics::OnceLock;

use crate::ContextVar;
use crate::{inherit, mirror};

/// Set if the variable has to be enlisted.
const DECLARED: u32 = 1;

/// Set if the frames that bind the variable are mirrored.
const MIRRORED: u32 = 1 << 1;

/// The role of a `ContextVar<T>`.
pub(crate) struct Role<T> {
    marks: u32,
    pub(crate) on_change: Option<OnChange<T>>,
    /// Returns what a spawned task gets.
    pub(crate) on_spawn: Option<fn(&T) -> Option<T>>,
    enlisted: OnceLock<()>,
}

/// Functions that are called when a value becomes current on a thread, and when it ceases to be.
pub(crate) struct OnChange<T> {
    pub(crate) on_enter: fn(&T),
    pub(crate) on_leave: fn(&T),
}

impl<T> Role<T> {
    /// Makes the role of an ordinary variable.
    pub(crate) const fn none() -> Self {
        Self {
            marks: 0,
            on_change: None,
            on_spawn: None,
            enlisted: OnceLock::new(),
        }
    }

    /// Sets the callbacks for changes.
    pub(crate) const fn set_on_change(&mut self, on_enter: fn(&T), on_leave: fn(&T)) {
        self.on_change = Some(OnChange { on_enter, on_leave });
        self.marks = DECLARED | MIRRORED;
    }

    /// Sets the function that decides what a spawned task gets.
    pub(crate) const fn set_on_spawn(&mut self, on_spawn: fn(&T) -> Option<T>) {
        self.on_spawn = Some(on_spawn);
        if self.on_change.is_none() {
            self.marks = DECLARED;
        }
    }
}

impl<T: Send + Sync + 'static> ContextVar<T> {
    /// Returns `true` if a frame that binds this variable is mirrored. For a bind: it enlists the
    /// variable before the frame exists.
    #[inline(always)]
    pub(crate) fn is_bound_mirrored(&'static self, key: u32) -> bool {
        let marks = self.role.marks;
        if marks == 0 {
            return false;
        }
        self.enlist(key);
        marks & MIRRORED != 0
    }

    #[cold]
    #[inline(never)]
    fn enlist(&'static self, key: u32) {
        self.role.enlisted.get_or_init(|| {
            if self.role.on_change.is_some() {
                mirror::enlist(self, key);
            }
            if self.role.on_spawn.is_some() {
                inherit::enlist(self, key);
            }
        });
    }
}
