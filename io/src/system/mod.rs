//! The facade of the operating system's event queue.
//!
//! Owns the choice between two implementations. The ordinary build has mio's types, under their own
//! names, so the facade costs nothing. Models have a kernel of plain data, which loom can run. The
//! driver and the modules around it name only the types of this facade. It must not know them, nor
//! what the events are for.

#[cfg(any(framewise_loom, framewise_shuttle))]
mod model;
#[cfg(not(any(framewise_loom, framewise_shuttle)))]
mod native;

#[cfg(any(framewise_loom, framewise_shuttle))]
pub use self::model::{Descriptor, Kernel, Peer};

#[cfg(any(framewise_loom, framewise_shuttle))]
pub(crate) use self::model::{Event, Events, Interest, Poll, Registry, Source, Token, Waker};
#[cfg(not(any(framewise_loom, framewise_shuttle)))]
pub(crate) use self::native::{Event, Events, Interest, Poll, Registry, Source, Token, Waker};

#[cfg(all(target_os = "linux", any(framewise_loom, framewise_shuttle)))]
pub(crate) use self::model::TimerDescriptor;
#[cfg(all(target_os = "linux", not(any(framewise_loom, framewise_shuttle))))]
pub(crate) use self::native::TimerDescriptor;
