//! Which threads run a runtime's tasks.

use std::thread::{self, ThreadId};

/// The kind of a runtime; returned by [`Handle::runtime_flavor`](super::Handle::runtime_flavor).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RuntimeFlavor {
    /// The thread that is in `block_on` runs the tasks; also the flavor of a
    /// [`LocalRuntime`](super::LocalRuntime).
    CurrentThread,
    /// Workers, which are threads of the runtime, run the tasks.
    MultiThread,
}

/// The kind of a runtime, and the thread that a local one stays on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavor {
    MultiThread,
    CurrentThread,
    /// Driven and ended by this thread only, so that its tasks need not be `Send`.
    Local(ThreadId),
}

impl Flavor {
    /// Returns the flavor of a local runtime of this thread.
    pub(crate) fn local() -> Self {
        Self::Local(thread::current().id())
    }

    /// Returns `true` if the tasks run on the thread that is in `block_on`.
    pub(crate) fn is_current_thread(self) -> bool {
        self != Self::MultiThread
    }

    /// Returns `true` if this is a local runtime and this its thread.
    pub(crate) fn is_local_here(self) -> bool {
        self == Self::local()
    }

    /// Returns `true` for a local runtime.
    pub(crate) fn is_local(self) -> bool {
        matches!(self, Self::Local(_))
    }

    pub(crate) fn public(self) -> RuntimeFlavor {
        match self {
            Self::MultiThread => RuntimeFlavor::MultiThread,
            Self::CurrentThread | Self::Local(_) => RuntimeFlavor::CurrentThread,
        }
    }
}
