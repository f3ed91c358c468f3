//! Waits for the exit of one process, by its descriptor or by SIGCHLD.
//!
//! Owns `std`'s handle of the process and what is registered with a runtime for it. It must not
//! know what becomes of a process that no task waits for: `orphan.rs` does.
//!
//! The system's answer to `waitpid` is the only truth; descriptor and signal say when to ask. So
//! there is no state between threads here. A descriptor's event, an edge, comes when the process
//! ends; for a process that a debugger traces it comes then, too, and again when the debugger has
//! passed the exit on, which is the first time that `waitpid` knows of it. A listener to SIGCHLD is
//! made before the process is asked about, so that no exit falls between.

use std::io;
use std::process::{Child as StdChild, ExitStatus};
use std::sync::Arc;

#[cfg(target_os = "linux")]
use std::os::fd::{FromRawFd, OwnedFd};

use framewise_context::cancel;
use framewise_context::control::{self, Ended};
#[cfg(target_os = "linux")]
use framewise_io::Interest;
#[cfg(target_os = "linux")]
use framewise_io::unix::AsyncFd;

use crate::runtime::enter;
use crate::scheduler::spawner::Spawner;
use crate::signal::unix::{Signal, SignalKind, signal};

/// A process that was not waited for yet.
pub(super) struct Exit {
    process: StdChild,
    /// The runtime in which the process was started.
    home: Arc<Spawner>,
    /// `None` before the first wait.
    watch: Option<Watch>,
    /// Other code has taken the exit, so the system may give the id to another process.
    is_taken: bool,
}

/// What tells that the process may have ended, in the runtime in which it was last awaited.
struct Watch {
    runtime: Arc<Spawner>,
    event: Event,
}

enum Event {
    #[cfg(target_os = "linux")]
    Descriptor(AsyncFd<OwnedFd>),
    Signal(Signal),
}

impl Exit {
    pub(super) fn new(process: StdChild, home: Arc<Spawner>) -> Self {
        Self {
            process,
            home,
            watch: None,
            is_taken: false,
        }
    }

    /// Returns the process id, unless other code has taken the exit.
    pub(super) fn id(&self) -> Option<u32> {
        (!self.is_taken).then(|| self.process.id())
    }

    /// Kills the process, unless other code has taken the exit.
    pub(super) fn kill(&mut self) -> io::Result<()> {
        if self.is_taken {
            return Ok(());
        }
        self.process.kill()
    }

    /// Returns the process alone, which keeps nothing of a runtime.
    pub(super) fn into_process(self) -> StdChild {
        self.process
    }

    /// Returns the runtime in which the process was started.
    pub(super) fn home(&self) -> Arc<Spawner> {
        Arc::clone(&self.home)
    }

    /// Asks the system for the status. After the process's exit this is always the same.
    pub(super) fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        let asked = self.process.try_wait();
        if let Err(error) = &asked {
            self.is_taken = error.raw_os_error() == Some(libc::ECHILD);
        }
        asked
    }

    /// Waits for the exit. If it is dropped, or fails because its frame has ended, a later wait
    /// goes on.
    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        loop {
            control::check()?;
            if let Some(status) = self.try_wait()? {
                return Ok(status);
            }
            let (watch, is_new) = self.watch()?;
            if is_new {
                continue;
            }
            match watch.event.next().await {
                Err(error) if Ended::find(&error).is_some() => return Err(error),
                // The watch's runtime has ended; this wait may go on in another one.
                Err(_) => self.watch = None,
                Ok(()) => {}
            }
        }
    }

    /// Returns the watch of the runtime that this thread is in, and `true` if it was made just now.
    fn watch(&mut self) -> io::Result<(&mut Watch, bool)> {
        let runtime = match enter::current() {
            Some(current) if current.shared.workers() > 0 => current,
            _ => Arc::clone(&self.home),
        };
        let is_here = |watch: &Watch| Arc::ptr_eq(&watch.runtime.shared, &runtime.shared);
        let is_new = !self.watch.as_ref().is_some_and(is_here);
        if is_new {
            let _entered = enter::enter(&runtime, runtime.shared.outside());
            // The old one goes first: a descriptor is registered once.
            self.watch = None;
            let event = Event::new(self.process.id())?;
            self.watch = Some(Watch { runtime, event });
        }
        Ok((self.watch.as_mut().expect("it was just made"), is_new))
    }
}

impl Event {
    /// Begins to watch a child of this process, in the current runtime.
    fn new(id: u32) -> io::Result<Self> {
        #[cfg(target_os = "linux")]
        if let Some(descriptor) = open_descriptor(id) {
            let descriptor = AsyncFd::with_interest(descriptor, Interest::READABLE)?;
            return Ok(Self::Descriptor(descriptor));
        }
        let _ = id;
        signal(SignalKind::child()).map(Self::Signal)
    }

    /// Waits until the process may have ended. Fails if the runtime or the frame has.
    async fn next(&mut self) -> io::Result<()> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Descriptor(descriptor) => {
                // Cleared before the system is asked: a later event counts again.
                descriptor.readable().await?.clear_ready();
                Ok(())
            }
            Self::Signal(signal) => match cancel::enforce(signal.recv()).await? {
                Some(()) => Ok(()),
                None => Err(io::Error::other("the runtime is shutting down")),
            },
        }
    }
}

/// Opens a descriptor of a child that was not waited for, so that its id is still its own. Returns
/// `None` where that is not possible: the kernel is too old (`ENOSYS`), a sandbox forbids the call
/// (`EPERM`), there is no descriptor left.
#[cfg(target_os = "linux")]
fn open_descriptor(id: u32) -> Option<OwnedFd> {
    // Without a flag, too, the descriptor is closed in other processes (close-on-exec).
    let flags: libc::c_uint = 0;
    // SAFETY: the call takes two numbers.
    let descriptor = unsafe { libc::syscall(libc::SYS_pidfd_open, id, flags) };
    let descriptor = i32::try_from(descriptor).ok().filter(|fd| *fd >= 0)?;
    // SAFETY: the call returned a new descriptor, which has no other owner.
    Some(unsafe { OwnedFd::from_raw_fd(descriptor) })
}
