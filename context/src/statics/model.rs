//! The protocols over statics, on the facade's primitives: for models.

mod facade {
    pub(super) use framewise_sync::atomic::{
        AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering,
    };
    pub(super) use framewise_sync::{Mutex, MutexGuard, OnceLock};

    pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock()
    }

    macro_rules! constructor {
        ($(#[$attribute:meta])* pub fn $name:ident() -> Self $body:block) => {
            $(#[$attribute])*
            #[expect(clippy::new_without_default, reason = "like in a static, where it is const")]
            pub fn $name() -> Self $body
        };
    }
    pub(super) use constructor;
}

#[path = "batches.rs"]
mod batches;
#[path = "context_free.rs"]
mod context_free;
#[path = "location_list.rs"]
mod location_list;
#[path = "names.rs"]
mod names;

pub use batches::{Batches, ID_BATCH};
pub use context_free::ContextFreeVtables;
pub use location_list::{Link, LocationEntry};
pub use names::{Key, Names};
