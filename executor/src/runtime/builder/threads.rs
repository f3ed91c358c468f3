//! The builder's settings of threads and of their intervals.

use std::sync::Arc;

use super::Builder;

impl Builder {
    /// Names each thread of the runtime by what `function` returns, instead of
    /// [`thread_name`](Self::thread_name), for all kinds of threads.
    ///
    /// It is called on the thread that starts the new one. A thread for which it panics, or returns
    /// a name with a zero byte, cannot be started: [`build`](Self::build) fails, and a blocking
    /// call that has no other thread is [rejected](crate::task::JoinError::is_rejected).
    ///
    /// # Frame
    ///
    /// The function runs at the root.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    /// use std::thread;
    /// use framewise::runtime::Builder;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let next = AtomicUsize::new(0);
    /// let runtime = Builder::new()
    ///     .thread_name_fn(move || format!("orders-{}", next.fetch_add(1, Ordering::Relaxed)))
    ///     .build()?;
    /// let name = runtime.spawn(async { thread::current().name().map(str::to_owned) });
    /// assert!(runtime.block_on(name)?.is_some_and(|name| name.starts_with("orders-")));
    /// # Ok(())
    /// # }
    /// ```
    pub fn thread_name_fn(mut self, function: impl Fn() -> String + Send + Sync + 'static) -> Self {
        self.threads.name_function = Some(Arc::new(function));
        self
    }

    /// Calls `callback` on each thread of the runtime when it has started, before it does anything:
    /// on workers and on threads of the blocking pool.
    ///
    /// The thread is in the runtime, so the callback can spawn. It must not block. If it panics,
    /// the panic goes to the hook of [`on_unhandled_panic`](Self::on_unhandled_panic), and the
    /// thread works on. The same holds for the other callbacks of threads. A second call replaces
    /// the callback.
    ///
    /// # Frame
    ///
    /// The callback runs at the root.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use std::thread;
    /// use framewise::runtime::Builder;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let (sender, events) = mpsc::channel();
    /// let stopped = sender.clone();
    /// let runtime = Builder::new()
    ///     .worker_threads(1)
    ///     .on_thread_start(move || drop(sender.send(("started", thread::current().id()))))
    ///     .on_thread_stop(move || drop(stopped.send(("stopped", thread::current().id()))))
    ///     .build()?;
    /// drop(runtime);
    /// let events: Vec<_> = events.iter().collect();
    /// assert_eq!((events[0].0, events[1].0), ("started", "stopped"));
    /// assert_eq!(events[0].1, events[1].1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_thread_start(mut self, callback: impl Fn() + Send + Sync + 'static) -> Self {
        self.threads.on_start = Some(Arc::new(callback));
        self
    }

    /// Calls `callback` on each thread of the runtime before it ends; see
    /// [`on_thread_start`](Self::on_thread_start).
    ///
    /// A shutdown that waits for the end of a thread waits for the callback, too, whatever its
    /// limit.
    ///
    /// # Frame
    ///
    /// The callback runs at the root.
    pub fn on_thread_stop(mut self, callback: impl Fn() + Send + Sync + 'static) -> Self {
        self.threads.on_stop = Some(Arc::new(callback));
        self
    }

    /// Calls `callback` on a worker that is about to park, because it found no task. See
    /// [`on_thread_start`](Self::on_thread_start).
    ///
    /// It may spawn or wake a task: then the worker does not park. While a sibling is busy, one
    /// worker parks for a few milliseconds at a time, so it is called often.
    ///
    /// # Frame
    ///
    /// The callback runs at the root.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    /// use framewise::runtime::Builder;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let parked = Arc::new(AtomicUsize::new(0));
    /// let (on_park, on_unpark) = (Arc::clone(&parked), Arc::clone(&parked));
    /// let runtime = Builder::new()
    ///     .on_thread_park(move || drop(on_park.fetch_add(1, Ordering::Relaxed)))
    ///     .on_thread_unpark(move || drop(on_unpark.fetch_sub(1, Ordering::Relaxed)))
    ///     .build()?;
    /// drop(runtime);
    /// assert_eq!(parked.load(Ordering::Relaxed), 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_thread_park(mut self, callback: impl Fn() + Send + Sync + 'static) -> Self {
        self.threads.on_park = Some(Arc::new(callback));
        self
    }

    /// Calls `callback` on a worker that was parked and is about to look for tasks; see
    /// [`on_thread_park`](Self::on_thread_park). It is called once for each call of that callback.
    ///
    /// # Frame
    ///
    /// The callback runs at the root.
    pub fn on_thread_unpark(mut self, callback: impl Fn() + Send + Sync + 'static) -> Self {
        self.threads.on_unpark = Some(Arc::new(callback));
        self
    }

    /// Sets the number of polls after which a busy worker looks for I/O events and timers that are
    /// due. By default 61, as in Go and tokio.
    ///
    /// A larger number is for short polls, a smaller one for long polls. Tasks that yield let the
    /// worker look more often; and a worker that parks always looks.
    ///
    /// # Panics
    ///
    /// Panics if `polls` is zero.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::runtime::Builder;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let runtime = Builder::new().event_interval(31).global_queue_interval(31).build()?;
    /// # drop(runtime);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn event_interval(mut self, polls: u32) -> Self {
        assert!(
            polls > 0,
            "the interval of events must be at least one poll"
        );
        self.intervals.events = polls;
        self
    }

    /// Sets the number of polls after which a busy worker takes tasks from the runtime's common
    /// queue, where threads that are no workers put what they spawn and wake. By default 61.
    ///
    /// A worker that has no task of its own takes them at once.
    ///
    /// # Panics
    ///
    /// Panics if `polls` is zero.
    #[track_caller]
    pub fn global_queue_interval(mut self, polls: u32) -> Self {
        assert!(
            polls > 0,
            "the interval of the global queue must be at least one poll"
        );
        self.intervals.injector = polls;
        self
    }
}
