//! What a check is given: one executor, one starting frame, and helpers that many checks need.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use futures::channel::oneshot;

use crate::check_result::{CheckError, CheckResult, Failure};
use crate::executor::{
    Blocking, BoxFuture, Ended, Executor, JoinHandle, Joining, Local, Net, Output, Shutdown,
    Timers, UnhandledPanics,
};
use crate::start_frame::StartFrame;

/// The executor under test and the starting frame of a check.
#[derive(Clone)]
pub(crate) struct CheckContext {
    executor: Arc<dyn Executor>,
    start: StartFrame,
}

impl CheckContext {
    /// Makes the context of a check of `executor` in the frame `start`.
    pub(crate) fn new(executor: Arc<dyn Executor>, start: StartFrame) -> Self {
        Self { executor, start }
    }

    /// Returns the executor.
    pub(crate) fn executor(&self) -> &Arc<dyn Executor> {
        &self.executor
    }

    /// Returns the value of the variable `ID` when the check starts.
    pub(crate) fn id(&self) -> Option<u64> {
        self.start.id()
    }

    /// Runs `future` on the executor, from this thread.
    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        let mut output = None;
        self.executor.block_on(Box::pin(async {
            output = Some(future.await);
        }));
        output.expect("block_on returned before its future was ready")
    }

    /// Spawns a task. The suite returns its output over a channel of its own, so this needs no
    /// ability.
    ///
    /// The suite catches a panic of the task, so an executor without join handles need not.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Spawned<T> {
        let (task, spawned) = bring_back(future);
        self.executor.spawn(task);
        spawned
    }

    /// Like [`spawn`](Self::spawn), at the root.
    pub(crate) fn spawn_root<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Spawned<T> {
        let (task, spawned) = bring_back(future);
        self.executor.spawn_root(task);
        spawned
    }

    /// Spawns a task with the executor's own join handle.
    ///
    /// # Errors
    ///
    /// Not applicable, if the executor has no join handles.
    pub(crate) fn spawn_joinable<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Result<Box<dyn JoinHandle>, CheckError> {
        let task: BoxFuture<'static, Output> =
            Box::pin(future.map(|output| Box::new(output) as Output));
        Ok(self.joining()?.spawn_joinable(task))
    }

    /// Runs the executor's `block_on` until `condition` holds.
    ///
    /// # Errors
    ///
    /// A failure, if it does not hold within the time limit.
    pub(crate) fn eventually(&self, what: &str, condition: impl FnMut() -> bool) -> CheckResult {
        if self.block_on(crate::support::eventually(condition)) {
            Ok(())
        } else {
            Err(Failure::new(what, "it did not happen in time", "").into())
        }
    }

    /// Checks that the executor has at least this many workers.
    ///
    /// # Errors
    ///
    /// Not applicable, if it has fewer.
    pub(crate) fn needs_workers(&self, workers: usize) -> CheckResult {
        if self.executor.workers() >= workers {
            return Ok(());
        }
        not_applicable(format!("it needs {workers} threads that poll"))
    }

    /// Checks that tasks can be spawned from any thread.
    ///
    /// # Errors
    ///
    /// Not applicable, if tasks are spawned from the executor's own threads only.
    pub(crate) fn needs_any_thread(&self) -> CheckResult {
        if self.executor.spawns_from_any_thread() {
            return Ok(());
        }
        not_applicable("tasks are spawned from the executor's own threads only")
    }
}

/// Ends a check as not applicable to the subject under test.
///
/// # Errors
///
/// Always.
pub(crate) fn not_applicable<T>(why: impl Into<String>) -> Result<T, CheckError> {
    Err(CheckError::NotApplicable(why.into()))
}

macro_rules! abilities {
    ($($name:ident: $ability:ty, $missing:literal;)*) => {
        impl CheckContext {
            $(
                #[doc = concat!("# Errors\n\nNot applicable, where there is: ", $missing, ".")]
                pub(crate) fn $name(&self) -> Result<&$ability, CheckError> {
                    self.executor
                        .$name()
                        .ok_or_else(|| CheckError::NotApplicable($missing.to_owned()))
                }
            )*
        }
    };
}

abilities! {
    joining: dyn Joining, "no join handle";
    local: dyn Local, "no task that stays on a thread";
    timers: dyn Timers, "no timer";
    blocking: dyn Blocking, "no blocking pool";
    net: dyn Net, "no I/O";
    panic_hook: dyn UnhandledPanics, "no hook for unhandled panics";
    shutdown: dyn Shutdown, "no shutdown that drops tasks";
}

/// A task whose output the suite returns over a channel; see [`CheckContext::spawn`].
#[derive(Debug)]
pub(crate) struct Spawned<T>(oneshot::Receiver<Result<T, Box<dyn Any + Send>>>);

impl<T> Spawned<T> {
    /// Waits for the task, and returns its output.
    ///
    /// # Errors
    ///
    /// A failure, if the task panicked or was dropped.
    pub(crate) async fn output(self) -> Result<T, CheckError> {
        self.0.await.map_or_else(
            |_| Err(Failure::new("a task runs to its end", "it was dropped", "").into()),
            |output| output.map_err(|payload| panicked(&*payload).into()),
        )
    }
}

fn bring_back<T: Send + 'static>(
    future: impl Future<Output = T> + Send + 'static,
) -> (BoxFuture<'static, ()>, Spawned<T>) {
    let (sender, receiver) = oneshot::channel();
    let task = async move {
        let output = AssertUnwindSafe(future).catch_unwind().await;
        // The check may have dropped the receiver.
        drop(sender.send(output));
    };
    (Box::pin(task), Spawned(receiver))
}

/// Returns the output of a joined task, downcast to its type.
///
/// # Errors
///
/// A failure, if the task has none.
pub(crate) fn output_of<T: 'static>(ended: Result<Output, Ended>) -> Result<T, CheckError> {
    match ended {
        Ok(output) => match output.downcast() {
            Ok(output) => Ok(*output),
            Err(_) => Err(Failure::new("the task's own output", "another type", "").into()),
        },
        Err(Ended {
            panic: Some(payload),
            ..
        }) => Err(panicked(&*payload).into()),
        Err(_) => Err(Failure::new(
            "a task that is joined gives its output",
            "there is neither an output nor a panic, as if it had been aborted",
            "the task was dropped before its end, or its output before the join took it: joining \
             consumes the handle, and this must not detach the task",
        )
        .into()),
    }
}

/// Returns the failure that reports a panic.
pub(crate) fn panicked(payload: &(dyn Any + Send)) -> Failure {
    let message = payload
        .downcast_ref::<&str>()
        .map(|message| (*message).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a payload that is not a string".to_owned());
    Failure::new("no panic", format!("a panic: {message}"), "")
}

/// A value that a task leaves for the check.
#[derive(Debug)]
pub(crate) struct Slot<T>(Arc<Mutex<Option<T>>>);

impl<T> Slot<T> {
    /// Makes an empty slot.
    pub(crate) fn new() -> Self {
        Self(Arc::default())
    }

    /// Puts a value in.
    pub(crate) fn put(&self, value: T) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
    }

    /// Takes the value out.
    pub(crate) fn take(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self::new()
    }
}
