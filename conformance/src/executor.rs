//! What the suite asks of an executor: two functions, and abilities that it may have.
//!
//! An ability that an executor has not is left at its default, and the checks that need it are
//! reported as not applicable.

use std::any::Any;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use framewise_context::Frame;
use futures_core::Stream;
use futures_io::{AsyncRead, AsyncWrite};

/// A future that any thread may poll.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A future that stays on one thread.
pub type LocalBoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// A stream that any thread may poll.
pub type BoxStream<'a, T> = Pin<Box<dyn Stream<Item = T> + Send + 'a>>;

/// What a task with a join handle gives: the suite knows what is in it.
pub type Output = Box<dyn Any + Send>;

/// An executor under test.
///
/// Spawn in the way that you tell your users to: if they have to wrap their futures for a frame to
/// come along, wrap them here too, and the report says what that wrapping gives.
pub trait Executor: Send + Sync + 'static {
    /// Spawns a task that nobody waits for.
    fn spawn(&self, task: BoxFuture<'static, ()>);

    /// Runs `future` on this thread until it is ready. An executor without threads runs its tasks
    /// meanwhile.
    fn block_on(&self, future: LocalBoxFuture<'_, ()>);

    /// Spawns a task at the root: it sees nothing of its spawner's frame.
    fn spawn_root(&self, task: BoxFuture<'static, ()>) {
        Frame::root().run(|| self.spawn(task));
    }

    /// How many threads poll tasks at the same time.
    fn workers(&self) -> usize {
        1
    }

    /// Whether `spawn` may be called on a thread that has nothing to do with the executor.
    fn spawns_from_any_thread(&self) -> bool {
        true
    }

    /// Whether the process survives a task's destructor that panics. Where it does not, because the
    /// executor aborts, the suite does not try.
    fn survives_panicking_destructors(&self) -> bool {
        true
    }

    /// Join handles: waiting for an output, detaching, aborting.
    fn joining(&self) -> Option<&dyn Joining> {
        None
    }

    /// Tasks that stay on the thread that is in [`block_on`](Self::block_on).
    fn local(&self) -> Option<&dyn Local> {
        None
    }

    /// Sleeping, and what is built on it.
    fn timers(&self) -> Option<&dyn Timers> {
        None
    }

    /// Calls that block, on threads of their own.
    fn blocking(&self) -> Option<&dyn Blocking> {
        None
    }

    /// TCP on the loopback device.
    fn net(&self) -> Option<&dyn Net> {
        None
    }

    /// A hook for panics of tasks that nobody joins.
    fn panic_hook(&self) -> Option<&dyn UnhandledPanics> {
        None
    }

    /// An end that drops the tasks that are left.
    fn shutdown(&self) -> Option<&dyn Shutdown> {
        None
    }
}

/// Tasks with a join handle.
pub trait Joining {
    /// Spawns a task and gives the handle to it.
    fn spawn_joinable(&self, task: BoxFuture<'static, Output>) -> Box<dyn JoinHandle>;
}

/// A handle to a task or to a blocking call.
pub trait JoinHandle: Send + Sync + 'static {
    /// Waits for the end.
    fn join(self: Box<Self>) -> BoxFuture<'static, Result<Output, Ended>>;

    /// Lets the task run on without a handle.
    fn detach(self: Box<Self>) {}

    /// Asks for the task's end, and need not wait for it. False: there is no such thing.
    fn abort(&mut self) -> bool {
        false
    }
}

/// How a task ended that has no output.
#[derive(Debug, Default)]
pub struct Ended {
    /// The payload, where the task panicked and the executor caught it.
    pub panic: Option<Box<dyn Any + Send>>,
    /// The frame in which the panic began, where the executor says it.
    pub frame: Option<Frame>,
}

/// Tasks that need not be `Send`.
pub trait Local {
    /// Spawns a task onto this thread. Called by a future that [`Executor::block_on`] runs.
    fn spawn_local(&self, task: LocalBoxFuture<'static, ()>);
}

/// Time. Called within [`Executor::block_on`] or in a task.
pub trait Timers {
    /// Is ready after `duration`.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;

    /// `future` with a limit: true if it was ready in time; else it is dropped.
    fn timeout(
        &self,
        _duration: Duration,
        _future: BoxFuture<'static, ()>,
    ) -> Option<BoxFuture<'static, bool>> {
        None
    }

    /// A tick a `period`.
    fn interval(&self, _period: Duration) -> Option<BoxStream<'static, ()>> {
        None
    }

    /// Calls `callback` after `duration`, on whatever thread.
    fn set_timeout(
        &self,
        _duration: Duration,
        _callback: Box<dyn FnOnce() + Send>,
    ) -> Option<Arc<dyn CallbackHandle>> {
        None
    }

    /// Calls `callback` once a `period`, on whatever thread.
    fn set_interval(
        &self,
        _period: Duration,
        _callback: Box<dyn FnMut() + Send>,
    ) -> Option<Arc<dyn CallbackHandle>> {
        None
    }
}

/// A handle to a callback. Dropping it does not cancel.
pub trait CallbackHandle: Send + Sync + 'static {
    /// The callback is called no more, and dropped.
    fn cancel(&self);
}

/// Calls that block.
pub trait Blocking {
    /// Runs `call` on a thread of the blocking pool.
    fn spawn_blocking(&self, call: Box<dyn FnOnce() -> Output + Send>) -> Box<dyn JoinHandle>;

    /// How many calls run at the same time, at most, where the executor limits them.
    fn threads_max(&self) -> Option<usize> {
        None
    }

    /// Runs `call`, which blocks, on the thread of the task that calls this. False: there is no such
    /// thing, and `call` was not called.
    fn block_in_place(&self, _call: &mut dyn FnMut()) -> bool {
        false
    }

    /// Starts a thread of its own for `call`, with the caller's frame. `Err`: there is no such thing.
    fn spawn_thread(
        &self,
        call: Box<dyn FnOnce() + Send>,
    ) -> Result<std::thread::JoinHandle<()>, Box<dyn FnOnce() + Send>> {
        Err(call)
    }
}

/// TCP. Called within [`Executor::block_on`] or in a task.
pub trait Net {
    /// A listener on a free port of the loopback device.
    fn listen(&self) -> BoxFuture<'static, io::Result<Box<dyn Listener>>>;

    /// A connection to `address`.
    fn connect(&self, address: SocketAddr) -> BoxFuture<'static, io::Result<Box<dyn Duplex>>>;

    /// Calls `callback` each time that `address`, which is connected to, has something to read; on
    /// whatever thread, until the handle is cancelled. `None`: there is no such thing.
    fn on_readable(
        &self,
        _address: SocketAddr,
        _callback: Box<dyn FnMut() + Send>,
    ) -> Option<BoxFuture<'static, io::Result<Arc<dyn CallbackHandle>>>> {
        None
    }
}

/// Accepts connections.
pub trait Listener: Send + Sync {
    /// Where it listens.
    fn address(&self) -> SocketAddr;

    /// The next connection.
    fn accept(&self) -> BoxFuture<'_, io::Result<Box<dyn Duplex>>>;
}

/// A connection.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Duplex for T {}

/// What an unhandled-panic hook is told: the frame in which the panic began, where the executor
/// knows it.
pub type PanicHook = Arc<dyn Fn(Option<Frame>) + Send + Sync>;

/// Panics of tasks that nobody joins.
pub trait UnhandledPanics {
    /// Sets the hook. Called before the first task is spawned.
    fn set_hook(&self, hook: PanicHook);
}

/// The end of an executor.
pub trait Shutdown {
    /// Drops all tasks that are left and returns when they are gone. Called once, outside of
    /// [`Executor::block_on`]; nothing but drops follows.
    fn shut_down(&self);
}
