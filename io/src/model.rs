//! Access for the models in `loom-tests` to types that are not public otherwise.
//!
//! Owns no state of the driver. [`Kernel`] is the operating system below the driver.
//! [`ModelSource`] is a socket above it, with the operations that every shipped socket has.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use crate::callback::ReadyCallback;
use crate::handle::IoHandle;
use crate::ready::{Direction, Interest, Ready};
use crate::source::IoSource;

pub use crate::callback::CallbackEntry;
pub use crate::scheduled_io::controlled::ControlledWaker;
pub use crate::scheduled_io::readiness::{Notify, ReadinessWord, ReadyEvent, Registered};
pub use crate::scheduled_io::wait::{Readiness, ReadinessWait, Waited};
pub use crate::scheduled_io::waiters::{WaiterKey, Waiters};
pub use crate::scheduled_io::{Call, ScheduledIo};
pub use crate::slab::{Slab, SourceKey};
pub use crate::system::{Descriptor, Kernel, Peer};
pub use crate::unpark::{Unpark, WakeDevice};

/// Returns the kernel below a driver.
pub fn kernel(handle: &IoHandle) -> Kernel {
    handle.shared().registry.kernel().clone()
}

/// Returns the number of sources in a driver's table.
pub fn sources(handle: &IoHandle) -> usize {
    handle.shared().sources.lock().slab.len()
}

/// Looks up a name, by the shipped function.
///
/// # Errors
///
/// Fails if that does.
pub async fn lookup(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let addresses = crate::net::lookup::lookup(host.to_owned(), port).await;
    addresses.map(Iterator::collect)
}

/// A registered source, with the operations that all kinds of sockets have.
pub struct ModelSource(IoSource<Descriptor>);

impl ModelSource {
    /// Registers with the thread's current driver.
    ///
    /// # Errors
    ///
    /// Like the shipped operation. The same holds for the methods below.
    pub fn new(descriptor: Descriptor, initial: Ready) -> io::Result<Self> {
        IoSource::new(descriptor, initial).map(Self)
    }

    /// Deregisters and returns the descriptor.
    pub fn into_descriptor(self) -> io::Result<Descriptor> {
        self.0.into_source()
    }

    /// Waits in the list.
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        self.0.ready(interest).await
    }

    /// Waits in the slot.
    pub fn poll_ready(&self, cx: &mut Context<'_>, direction: Direction) -> Poll<io::Result<()>> {
        self.0.poll_ready(cx, direction)
    }

    /// Tries once.
    pub fn try_io<R>(
        &self,
        direction: Direction,
        operation: impl FnOnce() -> io::Result<R>,
    ) -> io::Result<R> {
        self.0.try_io(direction, |_| operation())
    }

    /// Waits in the slot and tries until it does not block.
    pub fn poll_io<R>(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        mut operation: impl FnMut() -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.0.poll_io(cx, direction, |_| operation())
    }

    /// Waits in the list and tries until it does not block.
    pub async fn async_io<R>(
        &self,
        direction: Direction,
        mut operation: impl FnMut() -> io::Result<R>,
    ) -> io::Result<R> {
        self.0.async_io(direction, |_| operation()).await
    }

    /// Like [`async_io`](Self::async_io), for a transfer of up to `len` bytes. A short one means
    /// drained.
    pub async fn transfer(
        &self,
        direction: Direction,
        len: usize,
        mut operation: impl FnMut() -> io::Result<usize>,
    ) -> io::Result<usize> {
        self.0.transfer(direction, len, |_| operation()).await
    }

    /// Registers a callback.
    pub fn on_ready(
        &self,
        interest: Interest,
        call: impl FnMut(Ready) + Send + 'static,
    ) -> io::Result<ReadyCallback> {
        self.0.on_ready(interest, call)
    }
}

impl std::fmt::Debug for ModelSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ModelSource").finish_non_exhaustive()
    }
}
