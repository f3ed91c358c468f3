//! The builder's hooks, which observe tasks.

use std::io;
use std::sync::Arc;

use framewise_context::Frame;

use super::Builder;
use crate::observe::{Observer, TaskMeta};

impl Builder {
    /// Calls `hook` with each task that is spawned onto the runtime, before the task is scheduled.
    ///
    /// This is one of five hooks. Each is set for itself. A runtime without one pays nothing for
    /// them at a poll; the guide, in "Watching tasks", has what each of them costs.
    ///
    /// | hook | called | times |
    /// | --- | --- | --- |
    /// | `on_task_spawn` | by the function that spawns, on its thread | once, first |
    /// | [`on_before_poll`](Self::on_before_poll) | before a poll, on its thread | once a poll |
    /// | [`on_after_poll`](Self::on_after_poll) | after that poll, on the same thread | once a poll |
    /// | [`on_task_complete`](Self::on_task_complete) | after the last poll, if that returned the task's output or panicked | at most once |
    /// | [`on_task_drop`](Self::on_task_drop) | when the future is gone, whether it was polled to its end, aborted or rejected | once, last |
    ///
    /// The calls for one task do not overlap, and come in the order of the table, on whichever
    /// thread runs the task. `on_task_complete` and `on_task_drop` come after the future was
    /// dropped, and before the joiner is woken, the frame released, and the output of a detached
    /// task dropped. A task that is aborted, also by the end of the runtime, is polled no more:
    /// what comes is its drop, on the thread that drops the future. That holds for a task that is
    /// spawned onto a runtime that has shut down, too: it is spawned and dropped in one call. A
    /// blocking call is a task with one poll; if it is aborted in the queue, or no thread can be
    /// started, it has none.
    ///
    /// **Which tasks.** Those of `spawn`, `spawn_root`, `spawn_blocking`, `spawn_local`, of
    /// [`JoinSet`](crate::task::JoinSet) and of [`task::Builder`](crate::task::Builder). A
    /// [`LocalSet`](crate::task::LocalSet) belongs to the runtime in which it was made, or else to
    /// the first that ran it; what is spawned onto it before that is not observed. The future of a
    /// `block_on` is no task. The runtime's own calls and tasks (of files, look-ups, standard
    /// streams and orphaned child processes) are not observed.
    ///
    /// **What a hook may do.** What it likes, but not block. What it spawns is a task like others,
    /// for which no hook is called: so a hook that spawns does not call itself. It changes nothing
    /// of the task. A second call of this method replaces the hook.
    ///
    /// A panic of a hook is reported like one of a task that no joiner takes: to the
    /// [handlers](crate::panics) of the frame in which it began, and to
    /// [`on_unhandled_panic`](Self::on_unhandled_panic). The task goes on. No hook is called for
    /// what these spawn then, so that a hook which always panics comes to an end.
    ///
    /// # Frame
    ///
    /// The hook runs in the frame of the task, which is its second argument, on whichever path it
    /// is called. [`task::id`](crate::task::id) is that of the task there. There is no
    /// [budget](crate::context::coop).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use framewise::{ContextVar, runtime::Builder};
    ///
    /// static REQUEST: ContextVar<u64> = ContextVar::new("request");
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let (spawned, spawns) = mpsc::channel();
    /// let dropped = spawned.clone();
    /// let runtime = Builder::new()
    ///     .on_task_spawn(move |task, _| drop(spawned.send((task.id(), REQUEST.get()))))
    ///     .on_task_drop(move |task, _| drop(dropped.send((task.id(), REQUEST.get()))))
    ///     .build()?;
    /// let task = REQUEST.run(7, || runtime.spawn(async {}));
    /// let id = task.id();
    /// runtime.block_on(task)?;
    /// assert_eq!(spawns.try_iter().collect::<Vec<_>>(), [(id, Some(7)), (id, Some(7))]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_task_spawn(
        mut self,
        hook: impl Fn(&TaskMeta<'_>, &Frame) + Send + Sync + 'static,
    ) -> Self {
        self.hooks.spawn = Some(Arc::new(hook));
        self
    }

    /// Calls `hook` before each poll of a task; see [`on_task_spawn`](Self::on_task_spawn).
    ///
    /// # Frame
    ///
    /// The hook runs in the frame of the task.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    /// use framewise::{runtime::Builder, task};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let polls = Arc::new(AtomicUsize::new(0));
    /// let counter = Arc::clone(&polls);
    /// let runtime = Builder::new()
    ///     .on_before_poll(move |_, _| drop(counter.fetch_add(1, Ordering::Relaxed)))
    ///     .build()?;
    /// runtime.block_on(runtime.spawn(task::yield_now()))?;
    /// assert_eq!(polls.load(Ordering::Relaxed), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_before_poll(
        mut self,
        hook: impl Fn(&TaskMeta<'_>, &Frame) + Send + Sync + 'static,
    ) -> Self {
        self.hooks.before_poll = Some(Arc::new(hook));
        self
    }

    /// Calls `hook` after each poll of a task; see [`on_task_spawn`](Self::on_task_spawn).
    ///
    /// # Frame
    ///
    /// The hook runs in the frame of the task.
    ///
    /// # Examples
    ///
    /// The longest poll of a request, which delays all other tasks of its worker:
    ///
    /// ```
    /// use std::sync::Mutex;
    /// use std::time::{Duration, Instant};
    /// use framewise::{ContextVar, runtime::Builder, task};
    ///
    /// static LONGEST: ContextVar<Mutex<Duration>> = ContextVar::new("longest");
    ///
    /// thread_local! {
    ///     /// Both hooks of a poll are called on its thread.
    ///     static BEGAN: std::cell::Cell<Option<Instant>> = const { std::cell::Cell::new(None) };
    /// }
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let runtime = Builder::new()
    ///     .on_before_poll(|_, _| BEGAN.set(Some(Instant::now())))
    ///     .on_after_poll(|_, _| {
    ///         let Some(began) = BEGAN.take() else { return };
    ///         LONGEST.with(|longest| {
    ///             let Some(longest) = longest else { return }; // no request
    ///             let mut longest = longest.lock().unwrap();
    ///             *longest = began.elapsed().max(*longest);
    ///         });
    ///     })
    ///     .build()?;
    /// let longest = LONGEST.run(Mutex::default(), || {
    ///     runtime.block_on(runtime.spawn(async {
    ///         std::thread::sleep(Duration::from_millis(1)); // it blocks its worker
    ///         task::yield_now().await;
    ///         LONGEST.with(|longest| *longest.unwrap().lock().unwrap())
    ///     }))
    /// });
    /// assert_ne!(longest?, Duration::ZERO);
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_after_poll(
        mut self,
        hook: impl Fn(&TaskMeta<'_>, &Frame) + Send + Sync + 'static,
    ) -> Self {
        self.hooks.after_poll = Some(Arc::new(hook));
        self
    }

    /// Calls `hook` with each task whose future returned its output or panicked in a poll; see
    /// [`on_task_spawn`](Self::on_task_spawn).
    ///
    /// # Frame
    ///
    /// The hook runs in the frame of the task.
    ///
    /// # Examples
    ///
    /// Tasks that were aborted are dropped, and are not complete:
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    /// use framewise::runtime::Builder;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let (complete, dropped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    /// let (completes, drops) = (complete.clone(), dropped.clone());
    /// let runtime = Builder::new()
    ///     .on_task_complete(move |_, _| drop(completes.fetch_add(1, Ordering::Relaxed)))
    ///     .on_task_drop(move |_, _| drop(drops.fetch_add(1, Ordering::Relaxed)))
    ///     .build()?;
    /// let aborted = runtime.spawn(std::future::pending::<()>());
    /// aborted.abort();
    /// assert!(runtime.block_on(aborted).unwrap_err().is_cancelled());
    /// assert_eq!(runtime.block_on(runtime.spawn(async { 7 }))?, 7);
    ///
    /// // The hooks are called before the joiner is woken.
    /// assert_eq!(complete.load(Ordering::Relaxed), 1);
    /// assert_eq!(dropped.load(Ordering::Relaxed), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_task_complete(
        mut self,
        hook: impl Fn(&TaskMeta<'_>, &Frame) + Send + Sync + 'static,
    ) -> Self {
        self.hooks.complete = Some(Arc::new(hook));
        self
    }

    /// Calls `hook` with each task when its future is gone, however the task ends; see
    /// [`on_task_spawn`](Self::on_task_spawn).
    ///
    /// # Frame
    ///
    /// The hook runs in the frame of the task, which is released next.
    ///
    /// # Examples
    ///
    /// The tasks that live, by their name. Each task that was spawned is dropped, however it ends:
    ///
    /// ```
    /// use std::collections::HashMap;
    /// use std::sync::{Arc, Mutex};
    /// use framewise::{runtime::Builder, task};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let live = Arc::new(Mutex::new(HashMap::new()));
    /// let (spawns, drops) = (live.clone(), live.clone());
    /// let runtime = Builder::new()
    ///     .on_task_spawn(move |task, _| {
    ///         let name = task.name().unwrap_or("unnamed").to_owned();
    ///         spawns.lock().unwrap().insert(task.id(), name);
    ///     })
    ///     .on_task_drop(move |task, _| drop(drops.lock().unwrap().remove(&task.id())))
    ///     .build()?;
    /// let poller = task::Builder::new()
    ///     .name("poller")
    ///     .spawn_on(std::future::pending::<()>(), runtime.handle())?;
    /// runtime.block_on(runtime.spawn(async {}))?;
    /// assert_eq!(live.lock().unwrap().values().collect::<Vec<_>>(), ["poller"]);
    /// poller.abort();
    /// runtime.block_on(poller).unwrap_err();
    /// assert!(live.lock().unwrap().is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_task_drop(
        mut self,
        hook: impl Fn(&TaskMeta<'_>, &Frame) + Send + Sync + 'static,
    ) -> Self {
        self.hooks.drop = Some(Arc::new(hook));
        self
    }

    /// Records for each task what woke it last, and which tasks it descends from, if `track` is
    /// `true`. By default it is `false`. [`task::last_wake`](crate::task::last_wake) and
    /// [`task::lineage`](crate::task::lineage) read the record.
    ///
    /// The record retains nothing: it has ids and locations. It costs each spawn an allocation, and
    /// each wake a lock that is the task's own.
    pub fn track_wakes(mut self, track: bool) -> Self {
        self.tracks_wakes = track;
        self
    }

    /// Returns what observes the tasks of a runtime with that many workers, if anything does. Fails
    /// if the account has another runtime.
    pub(in crate::runtime) fn observer(&self, workers: usize) -> io::Result<Option<Observer>> {
        #[cfg(feature = "account")]
        let account = self.open_account(workers)?;
        #[cfg(not(feature = "account"))]
        let (account, _) = (None, workers);
        Ok(Observer::new(
            self.hooks.clone(),
            self.tracks_wakes,
            self.threads.unhandled_panic.clone(),
            account,
        ))
    }
}
