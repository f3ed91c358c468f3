//! `Builder`: tokio's, whose methods borrow it.

use std::io;
use std::time::Duration;

use super::{LocalOptions, LocalRuntime, Runtime, TaskMeta};

/// Makes a [`Runtime`].
///
/// # Examples
///
/// ```
/// use framewise_tokio::runtime::Builder;
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
/// assert_eq!(runtime.block_on(async { 6 * 7 }), 42);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Builder(framewise::runtime::Builder);

impl Builder {
    /// A runtime whose tasks run on the thread that blocks on it.
    pub fn new_current_thread() -> Self {
        Self::with_compat(framewise::runtime::Builder::new_current_thread())
    }

    /// A runtime with workers, which share its tasks.
    #[cfg(feature = "rt-multi-thread")]
    pub fn new_multi_thread() -> Self {
        Self::with_compat(framewise::runtime::Builder::new_multi_thread())
    }

    fn with_compat(builder: framewise::runtime::Builder) -> Self {
        #[cfg(feature = "compat")]
        let builder = builder.tokio_compat();
        Self(builder)
    }

    /// Does nothing: framewise's runtimes have I/O and time.
    pub fn enable_all(&mut self) -> &mut Self {
        self
    }

    /// Does nothing: framewise's runtimes have I/O.
    pub fn enable_io(&mut self) -> &mut Self {
        self
    }

    /// Does nothing: framewise's runtimes have time.
    pub fn enable_time(&mut self) -> &mut Self {
        self
    }

    /// Sets the number of workers.
    ///
    /// # Panics
    ///
    /// Panics if `workers` is zero.
    #[track_caller]
    pub fn worker_threads(&mut self, workers: usize) -> &mut Self {
        self.0 = self.0.clone().worker_threads(workers);
        self
    }

    /// Sets the largest number of threads in the blocking pool.
    ///
    /// # Panics
    ///
    /// Panics if `threads` is zero.
    #[track_caller]
    pub fn max_blocking_threads(&mut self, threads: usize) -> &mut Self {
        self.0 = self.0.clone().max_blocking_threads(threads);
        self
    }

    /// Sets what the names of the runtime's threads begin with.
    pub fn thread_name(&mut self, name: impl Into<String>) -> &mut Self {
        self.0 = self.0.clone().thread_name(name);
        self
    }

    /// Names the runtime.
    ///
    /// # Panics
    ///
    /// Panics if the name is empty.
    #[track_caller]
    pub fn name(&mut self, name: impl Into<String>) -> &mut Self {
        self.0 = self.0.clone().name(name);
        self
    }

    /// Names each thread by what `function` returns.
    pub fn thread_name_fn<F>(&mut self, function: F) -> &mut Self
    where
        F: Fn() -> String + Send + Sync + 'static,
    {
        self.0 = self.0.clone().thread_name_fn(function);
        self
    }

    /// Sets the size of the threads' stacks, in bytes.
    pub fn thread_stack_size(&mut self, bytes: usize) -> &mut Self {
        self.0 = self.0.clone().thread_stack_size(bytes);
        self
    }

    /// Sets how long a thread of the blocking pool waits for another job before it ends.
    pub fn thread_keep_alive(&mut self, keep_alive: Duration) -> &mut Self {
        self.0 = self.0.clone().thread_keep_alive(keep_alive);
        self
    }

    /// Calls `callback` on each thread of the runtime when it starts.
    pub fn on_thread_start<F: Fn() + Send + Sync + 'static>(&mut self, callback: F) -> &mut Self {
        self.0 = self.0.clone().on_thread_start(callback);
        self
    }

    /// Calls `callback` on each thread of the runtime before it ends.
    pub fn on_thread_stop<F: Fn() + Send + Sync + 'static>(&mut self, callback: F) -> &mut Self {
        self.0 = self.0.clone().on_thread_stop(callback);
        self
    }

    /// Calls `callback` before a worker parks.
    pub fn on_thread_park<F: Fn() + Send + Sync + 'static>(&mut self, callback: F) -> &mut Self {
        self.0 = self.0.clone().on_thread_park(callback);
        self
    }

    /// Calls `callback` after a worker was parked.
    pub fn on_thread_unpark<F: Fn() + Send + Sync + 'static>(&mut self, callback: F) -> &mut Self {
        self.0 = self.0.clone().on_thread_unpark(callback);
        self
    }

    /// Calls `callback` with each task that is spawned. In tokio this and the three that follow are
    /// unstable.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use framewise_tokio as tokio;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let (sender, events) = mpsc::channel();
    /// let terminated = sender.clone();
    /// let runtime = tokio::runtime::Builder::new_current_thread()
    ///     .on_task_spawn(move |task| drop(sender.send(("spawned", task.id()))))
    ///     .on_task_terminate(move |task| drop(terminated.send(("terminated", task.id()))))
    ///     .build()?;
    /// let task = runtime.spawn(async {});
    /// let id = task.id();
    /// runtime.block_on(task)?;
    /// drop(runtime);
    /// assert_eq!(events.iter().collect::<Vec<_>>(), [("spawned", id), ("terminated", id)]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_task_spawn<F>(&mut self, callback: F) -> &mut Self
    where
        F: Fn(&TaskMeta<'_>) + Send + Sync + 'static,
    {
        self.0 = self.0.clone().on_task_spawn(move |task, _| callback(task));
        self
    }

    /// Calls `callback` before each poll of a task; framewise's `on_before_poll`.
    pub fn on_before_task_poll<F>(&mut self, callback: F) -> &mut Self
    where
        F: Fn(&TaskMeta<'_>) + Send + Sync + 'static,
    {
        self.0 = self.0.clone().on_before_poll(move |task, _| callback(task));
        self
    }

    /// Calls `callback` after each poll of a task; framewise's `on_after_poll`.
    pub fn on_after_task_poll<F>(&mut self, callback: F) -> &mut Self
    where
        F: Fn(&TaskMeta<'_>) + Send + Sync + 'static,
    {
        self.0 = self.0.clone().on_after_poll(move |task, _| callback(task));
        self
    }

    /// Calls `callback` when a task has ended, also if it was aborted; framewise's `on_task_drop`.
    pub fn on_task_terminate<F>(&mut self, callback: F) -> &mut Self
    where
        F: Fn(&TaskMeta<'_>) + Send + Sync + 'static,
    {
        self.0 = self.0.clone().on_task_drop(move |task, _| callback(task));
        self
    }

    /// Sets after how many polls a worker looks at the driver and the clock.
    ///
    /// # Panics
    ///
    /// Panics if `polls` is zero.
    #[track_caller]
    pub fn event_interval(&mut self, polls: u32) -> &mut Self {
        self.0 = self.0.clone().event_interval(polls);
        self
    }

    /// Sets after how many polls a worker looks at the queue that all workers share.
    ///
    /// # Panics
    ///
    /// Panics if `polls` is zero.
    #[track_caller]
    pub fn global_queue_interval(&mut self, polls: u32) -> &mut Self {
        self.0 = self.0.clone().global_queue_interval(polls);
        self
    }

    /// Does nothing: the driver of framewise takes as many events at once as it chooses.
    ///
    /// # Panics
    ///
    /// Panics if `events` is zero.
    #[track_caller]
    pub fn max_io_events_per_tick(&mut self, events: usize) -> &mut Self {
        assert!(events > 0, "max_io_events_per_tick must be non-zero");
        self
    }

    /// Does nothing; see [`max_io_events_per_tick`](Self::max_io_events_per_tick).
    ///
    /// # Panics
    ///
    /// Panics if `events` is zero.
    #[track_caller]
    pub fn max_io_events_per_busy_tick(&mut self, events: usize) -> &mut Self {
        assert!(events > 0, "max_io_events_per_busy_tick must be non-zero");
        self
    }

    /// Starts the runtime with its clock paused.
    #[cfg(feature = "test-util")]
    pub fn start_paused(&mut self, start_paused: bool) -> &mut Self {
        self.0 = self.0.clone().start_paused(start_paused);
        self
    }

    /// Starts a runtime whose tasks need not be `Send`.
    ///
    /// # Errors
    ///
    /// See framewise's [`Builder::build_local`](framewise::runtime::Builder::build_local).
    pub fn build_local(&mut self, options: LocalOptions) -> io::Result<LocalRuntime> {
        self.0.clone().build_local(options).map(LocalRuntime)
    }

    /// Starts the runtime.
    ///
    /// # Errors
    ///
    /// See framewise's [`Builder::build`](framewise::runtime::Builder::build).
    pub fn build(&mut self) -> io::Result<Runtime> {
        self.0.clone().build().map(Runtime)
    }
}
