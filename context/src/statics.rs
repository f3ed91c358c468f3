//! Protocols over statics, which all threads share: keys and their names, batches of ids, the
//! vtables of context-free wakers, the bind locations.
//!
//! loom's primitives cannot be constructed in a static. So the protocols are types in separate
//! files that take their primitives from `super::facade`. A model's build compiles the files twice:
//! here over `std`'s primitives, for the statics, and in [`model`] over the facade's, so that a
//! model can make one and let threads race for it. The statics themselves are next to their users:
//! `key.rs`, `current.rs`, `waker.rs`, `frame_stats/locations.rs`.

#![allow(unreachable_pub, reason = "the types are public in a model's build")]
#![cfg_attr(
    framewise_loom,
    allow(
        clippy::duplicate_mod,
        reason = "once for the statics, once for models"
    )
)]

mod facade {
    pub(super) use framewise_sync::statics::{
        AtomicPtr, AtomicU32, AtomicU64, Mutex, Ordering, lock,
    };

    #[cfg(any(debug_assertions, feature = "frame-stats"))]
    #[cfg(not(any(framewise_loom, framewise_shuttle)))]
    pub(super) use framewise_sync::statics::{AtomicUsize, OnceLock};

    /// Makes a constructor: `const`, because it is for a static.
    macro_rules! constructor {
        ($(#[$attribute:meta])* pub fn $name:ident() -> Self $body:block) => {
            $(#[$attribute])*
            pub const fn $name() -> Self $body
        };
    }
    pub(super) use constructor;
}

pub(crate) mod batches;
pub(crate) mod context_free;
pub(crate) mod list;
#[cfg(any(debug_assertions, feature = "frame-stats"))]
#[cfg(not(any(framewise_loom, framewise_shuttle)))]
pub(crate) mod location_list;
#[cfg(framewise_loom)]
pub mod model;
pub(crate) mod names;
