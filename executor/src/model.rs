//! Doors for the models in `loom-tests`: the protocols' own types, which are not public otherwise.

pub use crate::scheduler::idle::Idle;
pub use crate::scheduler::park::{Parker, Unparked};
