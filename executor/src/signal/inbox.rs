//! How signals get into a runtime: the handlers that count them, and the pipe that reaches its
//! driver.
//!
//! Each runtime that listens has a pipe of its own, and for each of its signals an action of its
//! own, which `signal-hook-registry` calls in the process's one handler of that signal. The action
//! counts and writes a byte; the driver calls a readiness callback, at the root, that empties the
//! pipe and wakes the listeners. So nothing of ours belongs to the process, and runtimes come and
//! go without knowing each other.
//!
//! If the pipe is full, the driver has not emptied it yet, and will see the count when it does: the
//! byte says only that some count has changed. For the same reason a forked child, whose handler
//! writes into its parent's pipe and counts in its own memory, wakes no listener of the parent.

use std::io::{self, Write};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use framewise_context::{CaughtPanic, Frame, FramedWaker, catch_unwind};
use framewise_io::net::UnixStream;
use framewise_io::{Interest, Ready};
use signal_hook_registry::SigId;

use super::listeners::{SignalCount, SignalListener, SignalListeners};
use crate::scheduler::shared::Shared;

/// The signals of one runtime: nothing until the first listener is made.
#[derive(Debug, Default)]
pub(crate) struct RuntimeSignals {
    inbox: OnceLock<Arc<Inbox>>,
}

impl RuntimeSignals {
    /// Ends all waits for signals and deregisters from the handlers. Runs no user code: the caller
    /// passes the result to [`wake_all`]. The caller has closed I/O before, so that no pipe is made
    /// after this.
    pub(crate) fn begin_close(&self) -> Vec<FramedWaker> {
        let Some(inbox) = self.inbox.get() else {
            return Vec::new();
        };
        let woken = inbox.listeners.close();
        let pipe = inbox.pipe().take();
        drop(pipe);
        woken
    }
}

/// Wakes all, even if others panic. Returns the panics.
pub(crate) fn wake_all(wakers: Vec<FramedWaker>) -> Vec<CaughtPanic> {
    let woken = wakers
        .into_iter()
        .map(|waker| catch_unwind(|| waker.wake()));
    woken.filter_map(Result::err).collect()
}

#[derive(Debug)]
pub(crate) struct Inbox {
    pub(crate) listeners: SignalListeners,
    /// `None` before the first listener, and after the runtime's end.
    pipe: Mutex<Option<SignalPipe>>,
}

impl Inbox {
    /// Returns the inbox of a runtime, with a new listener.
    pub(crate) fn listen(
        runtime: &Arc<Shared>,
        signal: i32,
    ) -> io::Result<(Arc<Self>, SignalListener)> {
        let inbox = runtime.signals.inbox.get_or_init(|| {
            Arc::new(Self {
                listeners: SignalListeners::new(),
                pipe: Mutex::new(None),
            })
        });
        let mut pipe = inbox.pipe();
        if inbox.listeners.is_closed() {
            return Err(io::Error::other("the runtime is shutting down"));
        }
        let listener = match inbox.listeners.listen(signal) {
            Some(listener) => listener,
            None => {
                let pipe = match &mut *pipe {
                    Some(pipe) => pipe,
                    none => none.insert(SignalPipe::new(runtime)?),
                };
                let count = Arc::new(SignalCount::new());
                pipe.install(signal, Arc::clone(&count))?;
                inbox.listeners.add_signal(signal, count);
                let listener = inbox.listeners.listen(signal);
                listener.expect("the signal was just added")
            }
        };
        Ok((Arc::clone(inbox), listener))
    }

    /// Locks the pipe. (It is `std`'s lock, since it guards system calls, which no model can make.)
    fn pipe(&self) -> MutexGuard<'_, Option<SignalPipe>> {
        self.pipe.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Empties the pipe, and wakes the listeners whose signals have come.
    fn receive(&self, receiver: &UnixStream, runtime: &Shared) {
        let mut bytes = [0; 256];
        while receiver.try_read(&mut bytes).is_ok_and(|count| count > 0) {}
        runtime.unhandled_panics(wake_all(self.listeners.dispatch()));
    }
}

/// The pipe of a runtime, and the actions that write to it.
#[derive(Debug)]
struct SignalPipe {
    sender: Arc<StdUnixStream>,
    /// The readiness callback holds it, too, but weakly: the callback belongs to it.
    _receiver: Arc<UnixStream>,
    actions: Vec<SigId>,
}

impl SignalPipe {
    fn new(runtime: &Arc<Shared>) -> io::Result<Self> {
        let (sender, receiver) = StdUnixStream::pair()?;
        sender.set_nonblocking(true)?;
        let receiver = Arc::new(UnixStream::from_std(receiver)?);
        let (weak, runtime) = (Arc::downgrade(&receiver), Arc::downgrade(runtime));
        let receive = move |_: Ready| {
            let (Some(receiver), Some(runtime)) = (weak.upgrade(), Weak::upgrade(&runtime)) else {
                return;
            };
            if let Some(inbox) = runtime.signals.inbox.get() {
                inbox.receive(&receiver, &runtime);
            }
        };
        // The pipe serves all requests, so it keeps no frame of the first one.
        Frame::root().run(|| receiver.on_ready(Interest::READABLE, receive))?;
        Ok(Self {
            sender: Arc::new(sender),
            _receiver: receiver,
            actions: Vec::new(),
        })
    }

    /// Adds an action to the handler of `signal`, which is not a forbidden one.
    fn install(&mut self, signal: i32, count: Arc<SignalCount>) -> io::Result<()> {
        let sender = Arc::clone(&self.sender);
        let action = move || {
            count.increment();
            // If it fails, the pipe is full. The receiver is open as long as the action is
            // registered, so there is no SIGPIPE.
            let _ = (&*sender).write(&[0]);
        };
        // SAFETY: the action adds to an atomic and calls `write`, which are both
        // async-signal-safe. It takes no lock, allocates nothing and does not panic: an error of
        // the operating system is a number.
        self.actions
            .push(unsafe { signal_hook_registry::register(signal, action) }?);
        Ok(())
    }
}

impl Drop for SignalPipe {
    fn drop(&mut self) {
        // Before the receiver is closed. Each call waits for actions that are running.
        for action in self.actions.drain(..) {
            signal_hook_registry::unregister(action);
        }
    }
}
