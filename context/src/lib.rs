//! Immutable, copy-on-write context frames: bind a value once, see it in everything that follows
//! from it.
//!
//! (To be written.)

#![deny(rustdoc::broken_intra_doc_links)]

mod bind;
mod block;
mod current;
mod derive;
mod frame;
mod key;
mod panic;
mod release;
mod scope;
mod stream;
mod var;
mod waker;
mod watch;
mod wrap;

pub use bind::{BindingList, Bindings, Bound, bind};
pub use frame::{Frame, FrameId};
pub use panic::{CaughtPanic, catch_unwind, take_panic_frame};
pub use scope::{FrameScope, Scope};
pub use var::ContextVar;
pub use waker::{FramedWaker, set_frameless_vtable};
