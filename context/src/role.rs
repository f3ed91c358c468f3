//! The role of a variable: what it does besides holding a value. It may be mirrored
//! ([`mirror`](crate::mirror)), it may decide what a spawned task gets
//! ([`inherit`](crate::inherit)), and one is the [`control`](crate::control).
//!
//! An ordinary variable has no role, and a bind learns this by one load: its [`Marks`]. A variable
//! with callbacks is **enlisted** before its first frame exists. So a thread that enters such a
//! frame, which it received through synchronization, finds the variable in the lists.

use std::ops::BitOr;

use framewise_sync::statics::OnceLock;

use crate::ContextVar;
use crate::control::CONTROLLED;
use crate::mirror::MIRRORED;
use crate::{inherit, mirror};

/// What a bind has to know of the roles of its variables, in one word.
#[derive(Clone, Copy, Debug)]
pub struct Marks(u32);

/// Set if a variable has to be enlisted.
const DECLARED: u32 = 1;

/// The bits from here on are the flags of each frame that binds a variable.
const FLAGS_SHIFT: u32 = 16;

impl Marks {
    pub(crate) const NONE: Self = Self(0);

    pub(crate) const fn of_flags(flags: u16) -> Self {
        Self((flags as u32) << FLAGS_SHIFT)
    }

    #[inline(always)]
    pub(crate) fn are_declared(self) -> bool {
        self.0 & DECLARED != 0
    }

    #[inline(always)]
    pub(crate) fn flags(self) -> u16 {
        (self.0 >> FLAGS_SHIFT) as u16
    }

    const fn declared(self) -> Self {
        Self(self.0 | DECLARED)
    }
}

impl BitOr for Marks {
    type Output = Self;

    #[inline(always)]
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// The role of a `ContextVar<T>`.
pub(crate) struct Role<T> {
    pub(crate) marks: Marks,
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
            marks: Marks::NONE,
            on_change: None,
            on_spawn: None,
            enlisted: OnceLock::new(),
        }
    }

    /// Sets the callbacks for changes.
    pub(crate) const fn set_on_change(&mut self, on_enter: fn(&T), on_leave: fn(&T)) {
        self.on_change = Some(OnChange { on_enter, on_leave });
        self.marks = Marks::of_flags(MIRRORED).declared();
    }

    /// Makes this the role of the control's variable.
    pub(crate) const fn set_control(&mut self) {
        self.marks = Marks::of_flags(CONTROLLED);
    }

    /// Sets the function that decides what a spawned task gets.
    pub(crate) const fn set_on_spawn(&mut self, on_spawn: fn(&T) -> Option<T>) {
        self.on_spawn = Some(on_spawn);
        self.marks = self.marks.declared();
    }
}

impl<T: Send + Sync + 'static> ContextVar<T> {
    /// Puts the variable into the lists that its role asks for. For a bind, before the frame
    /// exists.
    #[cold]
    #[inline(never)]
    pub(crate) fn enlist(&'static self, key: u32) {
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
