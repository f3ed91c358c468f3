//! `Handle`: spawns on a runtime from any thread.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use framewise_context::Frame;

use super::RuntimeFlavor;
use super::block_on::block_on;
use super::enter::{self, Entered};
use crate::scheduler::spawner::Spawner;
use crate::task::JoinHandle;
use crate::task::label::Label;
use crate::task::large::{BoxOutput, boxed_call_if_large, boxed_if_large, is_large};

/// A handle to a [`Runtime`](crate::runtime::Runtime), by which any thread can spawn on it.
///
/// It keeps the runtime's memory, but not the runtime running: after the shutdown spawned tasks are
/// [cancelled](crate::task::JoinError::is_cancelled) at once.
///
/// # Examples
///
/// ```
/// use framewise::runtime::Runtime;
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = Runtime::new()?;
/// let handle = runtime.handle().clone();
/// let thread = std::thread::spawn(move || {
///     let task = handle.spawn(async { 6 * 7 });
///     handle.block_on(task)
/// });
/// assert_eq!(thread.join().expect("it does not panic").ok(), Some(42));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Handle {
    pub(crate) spawner: Arc<Spawner>,
}

impl Handle {
    /// Returns the handle of the runtime that this thread is in.
    ///
    /// # Panics
    ///
    /// Panics outside of a runtime; see [`try_current`](Self::try_current).
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::runtime::Handle;
    ///
    /// framewise::block_on(async {
    ///     let handle = Handle::current();
    ///     // A thread that is in no runtime spawns with the handle.
    ///     let thread = std::thread::spawn(move || handle.spawn(async { 6 * 7 }));
    ///     let task = thread.join().expect("it does not panic");
    ///     assert_eq!(task.await.ok(), Some(42));
    /// });
    /// ```
    #[track_caller]
    pub fn current() -> Self {
        match Self::try_current() {
            Ok(handle) => handle,
            Err(error) => panic!("{error}"),
        }
    }

    /// Returns the handle of the runtime that this thread is in.
    ///
    /// # Errors
    ///
    /// Fails if it is in none.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::runtime::Handle;
    ///
    /// assert!(Handle::try_current().is_err());
    /// framewise::block_on(async { assert!(Handle::try_current().is_ok()) });
    /// ```
    pub fn try_current() -> Result<Self, TryCurrentError> {
        match enter::current() {
            Some(spawner) => Ok(Self { spawner }),
            None => Err(TryCurrentError(())),
        }
    }

    /// Spawns a task; see [`framewise::spawn`](crate::spawn).
    ///
    /// # Frame
    ///
    /// The task gets the frame that is current here, at the call, even if this thread is none of
    /// the runtime's.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::{ContextVar, runtime::Runtime};
    ///
    /// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let runtime = Runtime::new()?;
    /// let handle = runtime.handle();
    /// let task = REQUEST_ID.run(7, || handle.spawn(async { REQUEST_ID.get() }));
    /// assert_eq!(runtime.block_on(task).ok(), Some(Some(7)));
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        boxed_if_large!(F, future => {
            Arc::clone(&self.spawner).spawn(future, Frame::current().inherited(), ())
        })
    }

    /// Spawns a task at the root; see [`framewise::spawn_root`](crate::spawn_root).
    ///
    /// # Frame
    ///
    /// The task runs at the root: it sees no binding of its spawner.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::{ContextVar, runtime::Runtime};
    ///
    /// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let runtime = Runtime::new()?;
    /// let handle = runtime.handle();
    /// let task = REQUEST_ID.run(7, || handle.spawn_root(async { REQUEST_ID.get() }));
    /// assert_eq!(runtime.block_on(task).ok(), Some(None));
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn spawn_root<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        boxed_if_large!(F, future => Arc::clone(&self.spawner).spawn(future, Frame::root(), ()))
    }

    /// Runs a call that blocks on the blocking pool; see
    /// [`framewise::spawn_blocking`](crate::spawn_blocking).
    ///
    /// # Frame
    ///
    /// The call runs in the frame that is current here.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::{ContextVar, runtime::Runtime};
    ///
    /// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let runtime = Runtime::new()?;
    /// let handle = runtime.handle();
    /// let task = REQUEST_ID.run(7, || handle.spawn_blocking(|| REQUEST_ID.get()));
    /// assert_eq!(runtime.block_on(task).ok(), Some(Some(7)));
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, f: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        boxed_call_if_large!(F, f => self.spawn_call(f, ()))
    }

    /// Like [`spawn_blocking`](Self::spawn_blocking), of a closure that may be passed by value.
    #[track_caller]
    pub(crate) fn spawn_call<F, R>(&self, f: F, label: impl Label) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.spawn_call_in(f, Frame::current().inherited(), label)
    }

    /// Like [`spawn_call`](Self::spawn_call), in `frame`.
    #[track_caller]
    pub(crate) fn spawn_call_in<F, R>(&self, f: F, frame: Frame, label: impl Label) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.spawner
            .shared
            .blocking
            .spawn(f, frame, label, &self.spawner)
    }

    /// Returns the kind of the runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::runtime::{Builder, Handle, RuntimeFlavor};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let runtime = Builder::new_current_thread().build()?;
    /// let flavor = runtime.block_on(async { Handle::current().runtime_flavor() });
    /// assert_eq!(flavor, RuntimeFlavor::CurrentThread);
    /// # Ok(())
    /// # }
    /// ```
    pub fn runtime_flavor(&self) -> RuntimeFlavor {
        self.spawner.shared.flavor.public()
    }

    /// Runs `future` on this thread until it is ready, inside of the runtime.
    ///
    /// Drives no current-thread runtime: while no thread is in that
    /// [runtime's `block_on`](crate::runtime::Runtime::block_on), no task, timer or socket makes
    /// progress, and the future must not wait for one.
    ///
    /// # Panics
    ///
    /// Panics on a worker of a runtime, and within a [current-thread
    /// runtime](crate::runtime::Runtime#current-thread-runtimes). Panics if it would wait on a
    /// thread that is [ending this
    /// runtime](crate::runtime::Runtime#shutdown-and-destructors-that-wait) (but not within
    /// [`block_in_place`](crate::task::block_in_place)), or in a forked child of the process that
    /// made the runtime. Passes a panic of the future on.
    ///
    /// # Frame
    ///
    /// The future sees the frame that is current here; it is current again afterwards.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::{ContextVar, runtime::Runtime};
    ///
    /// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let runtime = Runtime::new()?;
    /// let reply = REQUEST_ID.run(7, || runtime.handle().block_on(async { REQUEST_ID.get() }));
    /// assert_eq!(reply, Some(7));
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        boxed_if_large!(F, future => self.enter_and_block_on(future))
    }

    /// Like [`block_on`](Self::block_on), of a future that may be passed by value.
    #[track_caller]
    pub(crate) fn enter_and_block_on<F: Future>(&self, future: F) -> F::Output {
        let _entered = self.enter();
        if const { is_large::<F::Output>() } {
            block_on(BoxOutput(future), &self.spawner.shared).into_output()
        } else {
            block_on(future, &self.spawner.shared)
        }
    }

    /// Puts this thread into the runtime until the guard is dropped, so that
    /// [`spawn`](crate::spawn), timers and sockets work on it. The current frame stays.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::runtime::Runtime;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let runtime = Runtime::new()?;
    /// let entered = runtime.handle().enter();
    /// let task = framewise::spawn(async { 6 * 7 });
    /// drop(entered);
    /// assert_eq!(runtime.block_on(task).ok(), Some(42));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use = "the thread is in the runtime only while the guard lives"]
    pub fn enter(&self) -> EnterGuard<'_> {
        EnterGuard {
            _entered: enter::enter(&self.spawner, self.spawner.shared.outside()),
            lifetime: PhantomData,
        }
    }
}

// See `Runtime`.
impl UnwindSafe for Handle {}
impl RefUnwindSafe for Handle {}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("workers", &self.spawner.shared.workers())
            .finish()
    }
}

/// The error of [`Handle::try_current`]: the thread is in no runtime.
#[derive(Debug)]
pub struct TryCurrentError(());

impl TryCurrentError {
    /// Returns `true`: the thread is in no runtime.
    pub fn is_missing_context(&self) -> bool {
        true
    }

    /// Returns `false`. A thread whose thread-locals are destroyed is in no runtime.
    pub fn is_thread_local_destroyed(&self) -> bool {
        false
    }
}

impl fmt::Display for TryCurrentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "there is no framewise runtime here: call this inside of one, or within \
             `Runtime::enter`",
        )
    }
}

impl std::error::Error for TryCurrentError {}

/// Keeps a thread in a runtime; made by [`Handle::enter`].
///
/// Drop guards in the reverse order of their making. Otherwise the thread is in the runtime that
/// was current when the guard that is dropped last was made.
pub struct EnterGuard<'a> {
    _entered: Entered,
    lifetime: PhantomData<&'a Handle>,
}

impl fmt::Debug for EnterGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnterGuard").finish_non_exhaustive()
    }
}
