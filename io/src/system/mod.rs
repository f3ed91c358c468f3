//! The door to the operating system's queue of events.
//!
//! Owns which one is behind it: mio's in the ordinary build, under their own names, so that the door
//! costs nothing; a kernel of plain data in models, which loom can drive. The driver and what is
//! around it name only what is here. It must not know them, nor what the events are for.

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
