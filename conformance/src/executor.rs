//! The adapter of an executor: two required functions, and optional abilities.
//!
//! An adapter leaves the default for an ability that its executor lacks. The checks that need the
//! ability are then reported as not applicable.

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

/// A future that is polled by one thread only.
pub type LocalBoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// A stream that any thread may poll.
pub type BoxStream<'a, T> = Pin<Box<dyn Stream<Item = T> + Send + 'a>>;

/// The output of a task with a join handle. The suite downcasts it.
pub type Output = Box<dyn Any + Send>;

/// An executor under test.
///
/// Spawn as your documentation says: if users must wrap their futures to carry a frame, wrap them
/// here, too, and the report is about the wrapped futures.
pub trait Executor: Send + Sync + 'static {
    /// Spawns a detached task.
    fn spawn(&self, task: BoxFuture<'static, ()>);

    /// Runs `future` on this thread until it is ready. An executor without threads runs its tasks
    /// in this call, too.
    fn block_on(&self, future: LocalBoxFuture<'_, ()>);

    /// Spawns a task at the root: the task sees no binding of its spawner.
    fn spawn_root(&self, task: BoxFuture<'static, ()>) {
        Frame::root().run(|| self.spawn(task));
    }

    /// Returns the number of threads that poll tasks.
    fn workers(&self) -> usize {
        1
    }

    /// Returns `true` if `spawn` may be called on a thread that is not the executor's.
    fn spawns_from_any_thread(&self) -> bool {
        true
    }

    /// Returns `true` if the process survives a panic in a task's destructor. If the executor
    /// aborts the process instead, return `false`, and the suite does not try it.
    fn survives_panicking_destructors(&self) -> bool {
        true
    }

    /// Returns the ability to join, detach and abort tasks.
    fn joining(&self) -> Option<&dyn Joining> {
        None
    }

    /// Returns the ability to spawn tasks that stay on the thread that is in
    /// [`block_on`](Self::block_on).
    fn local(&self) -> Option<&dyn Local> {
        None
    }

    /// Returns the timers, if the executor has them.
    fn timers(&self) -> Option<&dyn Timers> {
        None
    }

    /// Returns the ability to run blocking calls on other threads.
    fn blocking(&self) -> Option<&dyn Blocking> {
        None
    }

    /// Returns TCP on the loopback device.
    fn net(&self) -> Option<&dyn Net> {
        None
    }

    /// Returns the hook for panics of tasks without a joiner.
    fn panic_hook(&self) -> Option<&dyn UnhandledPanics> {
        None
    }

    /// Returns the ability to shut down, which drops the remaining tasks.
    fn shutdown(&self) -> Option<&dyn Shutdown> {
        None
    }
}

/// Tasks with a join handle.
pub trait Joining {
    /// Spawns a task and returns its handle.
    fn spawn_joinable(&self, task: BoxFuture<'static, Output>) -> Box<dyn JoinHandle>;
}

/// A handle to a task or to a blocking call.
pub trait JoinHandle: Send + Sync + 'static {
    /// Waits for the end of the task, and returns its output.
    fn join(self: Box<Self>) -> BoxFuture<'static, Result<Output, Ended>>;

    /// Drops the handle. The task goes on.
    fn detach(self: Box<Self>) {}

    /// Aborts the task, without waiting for its end. Returns `false` if the executor cannot abort.
    fn abort(&mut self) -> bool {
        false
    }
}

/// How a task without an output ended.
#[derive(Debug, Default)]
pub struct Ended {
    /// The payload, if the task panicked and the executor caught the panic.
    pub panic: Option<Box<dyn Any + Send>>,
    /// The frame in which the panic began, if the executor reports it.
    pub frame: Option<Frame>,
}

/// Tasks that need not be `Send`.
pub trait Local {
    /// Spawns a task on this thread. The suite calls it in a future that [`Executor::block_on`]
    /// runs.
    fn spawn_local(&self, task: LocalBoxFuture<'static, ()>);
}

/// Timers. The suite calls them within [`Executor::block_on`] or in a task.
pub trait Timers {
    /// Returns a future that is ready after `duration`.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;

    /// Runs `future` for at most `duration`: the output is `true` if it was ready in time.
    /// Otherwise it is dropped. Returns `None` if there is no such function.
    fn timeout(
        &self,
        _duration: Duration,
        _future: BoxFuture<'static, ()>,
    ) -> Option<BoxFuture<'static, bool>> {
        None
    }

    /// Returns a stream with one item per `period`, or `None` if there is no such function.
    fn interval(&self, _period: Duration) -> Option<BoxStream<'static, ()>> {
        None
    }

    /// Calls `callback` after `duration`, on any thread. Returns `None` if there is no such
    /// function.
    fn set_timeout(
        &self,
        _duration: Duration,
        _callback: Box<dyn FnOnce() + Send>,
    ) -> Option<Arc<dyn CallbackHandle>> {
        None
    }

    /// Calls `callback` once per `period`, on any thread. Returns `None` if there is no such
    /// function.
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
    /// Drops the callback, which is not called again.
    fn cancel(&self);
}

/// Blocking calls.
pub trait Blocking {
    /// Runs `call` on a thread of the blocking pool.
    fn spawn_blocking(&self, call: Box<dyn FnOnce() -> Output + Send>) -> Box<dyn JoinHandle>;

    /// Returns the maximum number of calls that run at the same time, if the executor limits them.
    fn threads_max(&self) -> Option<usize> {
        None
    }

    /// Runs `call`, which blocks, on the thread of the calling task. Returns `false`, without
    /// running `call`, if there is no such function.
    fn block_in_place(&self, _call: &mut dyn FnMut()) -> bool {
        false
    }

    /// Starts a thread for `call`, with the caller's frame. Returns `call` as an error if there is
    /// no such function.
    fn spawn_thread(
        &self,
        call: Box<dyn FnOnce() + Send>,
    ) -> Result<std::thread::JoinHandle<()>, Box<dyn FnOnce() + Send>> {
        Err(call)
    }
}

/// TCP. The suite calls it within [`Executor::block_on`] or in a task.
pub trait Net {
    /// Binds a listener to a free port of the loopback device.
    fn listen(&self) -> BoxFuture<'static, io::Result<Box<dyn Listener>>>;

    /// Connects to `address`.
    fn connect(&self, address: SocketAddr) -> BoxFuture<'static, io::Result<Box<dyn Duplex>>>;

    /// Connects to `address`, and calls `callback` each time that the connection has data to read,
    /// on any thread, until the handle is cancelled. Returns `None` if there is no such function.
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
    /// Returns the address of the listener.
    fn address(&self) -> SocketAddr;

    /// Accepts the next connection.
    fn accept(&self) -> BoxFuture<'_, io::Result<Box<dyn Duplex>>>;
}

/// A connection.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Duplex for T {}

/// A hook for unhandled panics. Its argument is the frame in which the panic began, if the executor
/// knows it.
pub type PanicHook = Arc<dyn Fn(Option<Frame>) + Send + Sync>;

/// Panics of tasks without a joiner.
pub trait UnhandledPanics {
    /// Sets the hook. The suite calls it before it spawns the first task.
    fn set_hook(&self, hook: PanicHook);
}

/// The shutdown of an executor.
pub trait Shutdown {
    /// Drops all remaining tasks, and returns when they are dropped. The suite calls it once,
    /// outside of [`Executor::block_on`], and only drops the executor afterwards.
    fn shut_down(&self);
}
