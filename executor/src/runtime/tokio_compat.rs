//! A tokio runtime beside ours, for crates that insist on tokio's (feature `tokio-compat`).
//!
//! Owns that runtime, entering it on our threads, and its end. Nothing else of this crate knows it.
//!
//! Where we poll, tokio must take the thread for one of its own: its channels and sockets count a
//! budget for each poll, without which a task that always finds them ready would starve the
//! others, and its blocking calls panic instead of blocking a worker. tokio has no call for either.
//! So our loops run within tokio's `block_on`, which gives the thread a budget once
//! ([`TokioHandle::run`]); and each poll takes a unit before it begins and gives it back when it
//! ends, by which tokio puts the budget back to what it was before ([`with_tokio_budget`]).

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::mem::{self, ManuallyDrop};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::ptr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::runtime::{Handle, Runtime};
use tokio::task::coop;

use super::Builder;
use super::enter::{Entered, enter_with};
use crate::blocking::start_thread;
use crate::scheduler::spawner::Spawner;

thread_local! {
    /// The thread is within [`TokioHandle::run`], and not within [`block_in_tokio`].
    static IS_RUNNING: Cell<bool> = const { Cell::new(false) };

    /// The tokio runtime that this thread belongs to; compared, never read through.
    static OWN_RUNTIME: Cell<*const Token> = const { Cell::new(ptr::null()) };

    /// Keeps a thread of tokio's in our runtime.
    static ENTERED: RefCell<Option<Entered>> = const { RefCell::new(None) };
}

/// What identifies a tokio runtime to its threads. It has a size, so that its address is unique.
struct Token(#[expect(dead_code, reason = "it gives the type a size")] u8);

/// The tokio runtime of one of ours, if it has one.
pub(crate) struct TokioCompat {
    runtime: Option<Runtime>,
    token: Arc<Token>,
}

/// A handle by which our threads enter it.
#[derive(Default)]
pub(crate) struct TokioHandle(OnceLock<Arc<Handle>>);

/// Keeps a thread in the tokio runtime.
pub(crate) struct TokioEntered {
    /// It borrows the handle below, and is dropped first.
    guard: ManuallyDrop<Option<tokio::runtime::EnterGuard<'static>>>,
    _handle: Option<Arc<Handle>>,
}

impl TokioCompat {
    /// Starts the runtime if the settings ask for it, before our workers start. Its threads are in
    /// the runtime of `spawner`.
    pub(crate) fn start(settings: &Builder, spawner: &Arc<Spawner>) -> io::Result<Self> {
        let token = Arc::new(Token(0));
        if !settings.tokio_compat {
            let runtime = None;
            return Ok(Self { runtime, token });
        }
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder
            .worker_threads(1)
            .max_blocking_threads(settings.blocking_threads_max)
            .thread_keep_alive(settings.keep_alive)
            .on_thread_start({
                // tokio's handles, and so our runtime, keep this callback: it must not keep ours.
                let (own, spawner) = (Arc::clone(&token), Arc::downgrade(spawner));
                move || {
                    OWN_RUNTIME.set(Arc::as_ptr(&own));
                    let none = TokioHandle::default();
                    let enter = |spawner: Arc<Spawner>| {
                        enter_with(&spawner, spawner.shared.outside(), &none)
                    };
                    ENTERED.set(spawner.upgrade().map(enter));
                }
            })
            .on_thread_stop(|| drop(ENTERED.take()))
            .enable_all();
        builder.thread_name(settings.threads.name("tokio")?);
        if let Some(stack_size) = settings.threads.stack_size {
            builder.thread_stack_size(stack_size);
        }
        #[cfg(tokio_unstable)]
        framewise_context::tokio::install(&mut builder);
        // tokio panics where a thread cannot be started.
        let built = catch_unwind(AssertUnwindSafe(|| builder.build()));
        let runtime = built.unwrap_or_else(|payload| {
            // Its destructor might panic again.
            mem::forget(payload);
            Err(io::Error::other("a thread of tokio's could not be started"))
        })?;
        let handle = Arc::new(runtime.handle().clone());
        assert!(
            spawner.shared.tokio.0.set(handle).is_ok(),
            "it is set here only"
        );
        Ok(Self {
            runtime: Some(runtime),
            token,
        })
    }

    /// Shuts the runtime down and waits for `limit` at most, or for its end. Does not wait on one
    /// of its own threads.
    pub(crate) fn shut_down(&mut self, limit: Option<Duration>) {
        let Some(runtime) = self.runtime.take() else {
            return;
        };
        let is_own_thread = ptr::eq(OWN_RUNTIME.get(), Arc::as_ptr(&self.token));
        if is_own_thread || limit == Some(Duration::ZERO) {
            return runtime.shutdown_background();
        }
        // tokio panics if a thread that it takes for asynchronous waits, so another one does.
        let runtime = Arc::new(Mutex::new(Some(runtime)));
        let take = |runtime: &Mutex<Option<Runtime>>| {
            let mut runtime = runtime.lock().unwrap_or_else(PoisonError::into_inner);
            runtime.take().expect("it is taken once")
        };
        let name = "framewise-tokio-shutdown".to_owned();
        let waiter = start_thread(name, None, {
            let runtime = Arc::clone(&runtime);
            move || match limit {
                None => drop(take(&runtime)),
                Some(limit) => take(&runtime).shutdown_timeout(limit),
            }
        });
        match waiter {
            Ok(waiter) => {
                // If it panicked, the panic hook has printed that.
                let _ = waiter.join();
            }
            Err(_) => take(&runtime).shutdown_background(),
        }
    }

    /// Forgets the runtime in a forked child: its threads are the parent's.
    pub(crate) fn forget(&mut self) {
        mem::forget(self.runtime.take());
    }
}

impl TokioHandle {
    /// Enters the tokio runtime, if there is one, until the guard is dropped.
    pub(crate) fn enter(&self) -> TokioEntered {
        // A runtime may be dropped by a thread-local's destructor, after tokio's own are gone.
        let handle = self.0.get().filter(|_| !is_destroyed());
        let guard = handle.map(|handle| {
            // SAFETY: only the lifetime changes. The handle is in an `Arc` that is kept beside the
            // guard, and is dropped after it.
            let handle: &'static Handle = unsafe { &*Arc::as_ptr(handle) };
            handle.enter()
        });
        TokioEntered {
            guard: ManuallyDrop::new(guard),
            _handle: handle.cloned(),
        }
    }

    /// Returns `true` if there is a tokio runtime.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.0.get().is_some()
    }

    /// Calls `f`, which polls futures, as tokio's `block_on` would.
    pub(crate) fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        let Some(handle) = self.0.get() else {
            return f();
        };
        let _running = Running::set(true);
        let mut f = Some(f);
        let mut f = || f.take().expect("it is called once")();
        // The thread may be within another call of this, or of tokio's.
        tokio::task::block_in_place(|| handle.block_on(poll_fn(|_| Poll::Ready(f()))))
    }

    /// Calls `f`, one poll, with a budget of its own if [`run`](Self::run) is under way.
    #[inline]
    pub(crate) fn poll<R>(&self, f: impl FnOnce() -> R) -> R {
        if self.is_on() {
            with_tokio_budget(f)
        } else {
            f()
        }
    }
}

/// Returns `true` if tokio's thread-locals of this thread are destroyed already: tokio panics then.
fn is_destroyed() -> bool {
    Handle::try_current().is_err_and(|error| error.is_thread_local_destroyed())
}

/// Says that this thread is within [`TokioHandle::run`], or is not; restores what was before.
struct Running(bool);

impl Running {
    fn set(running: bool) -> Self {
        Self(IS_RUNNING.replace(running))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        IS_RUNNING.set(self.0);
    }
}

/// Calls `f`, which may block, for example in a blocking call of tokio's. Restores tokio's budget
/// afterwards, which tokio does for its own workers only.
pub(crate) fn block_in_tokio<R>(f: impl FnOnce() -> R) -> R {
    if !IS_RUNNING.get() {
        return f();
    }
    let _running = Running::set(false);
    let mut f = Some(f);
    let mut f = || f.take().expect("it is called once")();
    let mut exempt = pin!(coop::unconstrained(poll_fn(|_| {
        Poll::Ready(tokio::task::block_in_place(&mut f))
    })));
    match exempt
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("the future is ready when it is polled"),
    }
}

/// Calls `f`, one poll, and restores tokio's budget afterwards. Does nothing else on a thread
/// without such a budget.
#[inline]
pub(crate) fn with_tokio_budget<R>(f: impl FnOnce() -> R) -> R {
    let unit = coop::poll_proceed(&mut Context::from_waker(Waker::noop()));
    let output = f();
    drop(unit);
    output
}

impl Drop for TokioEntered {
    fn drop(&mut self) {
        // SAFETY: it is dropped here only, and not used afterwards.
        unsafe { ManuallyDrop::drop(&mut self.guard) };
    }
}
