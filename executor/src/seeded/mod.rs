//! A seeded run: the loop of one thread that chooses by a seed what runs next.
//!
//! Owns the list of everything that can run (tasks, blocking calls, timers that are due), the
//! choice among them, and the virtual time. It takes the workers' place in an ordinary runtime:
//! tasks, handles, lists, frames and timers are the same code, and a [`Shared`] without workers
//! puts every runnable task into the injector, where this loop takes it out. `crate::test` runs a
//! test under many seeds.
//!
//! # Loops within loops
//!
//! `block_on` is legal in a blocking call and in another `block_on`. It then runs this loop once
//! more, further up on the same stack, until its own future is ready. All futures of `block_on`,
//! the run's own included, are tasks like others, so any level of the loop may poll any of them.

mod choice;
mod current;
pub(crate) mod hooks;
mod levels;
mod local_set;
mod names;
mod pool;
pub(crate) mod runtime;
mod scoped;
mod stop;

pub(crate) use current::{InRun, blocking, with_live, with_run};
pub(crate) use scoped::{finish, nested};
pub(crate) use stop::Stop;

use std::cell::{Cell, RefCell};
use std::panic::Location;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use framewise_context::{Frame, coop};
use framewise_sync::deque::Steal;
use framewise_timers::{DueTimer, Instant};

use self::choice::Chooser;
use self::current::MayBlock;
use self::levels::Levels;
use self::names::{Names, Step};
use crate::blocking::Job;
use crate::scheduler::shared::Shared;
use crate::task::header::{RunResult, TaskRef};

/// Steps in a row that did nothing but yield, after which the time advances nevertheless: a task
/// may spin until a timer has fired.
const SPIN_STEPS: u32 = 1000;

/// The result of a run, besides its output.
pub(crate) struct RunReport {
    pub(crate) steps: u64,
    pub(crate) digest: u64,
    pub(crate) elapsed: Duration,
    pub(crate) trace: Vec<String>,
    pub(crate) has_foreign_threads: bool,
    pub(crate) is_blocked_by_nesting: bool,
}

/// A run under one seed.
pub(crate) struct Run {
    seed: u64,
    shared: Arc<Shared>,
    chooser: RefCell<Chooser>,
    names: RefCell<Names>,
    runnable: RefCell<Vec<Runnable>>,
    start: Instant,
    steps: Cell<u64>,
    steps_max: u64,
    /// Runnable tasks that this thread has pushed to the injector since the last `collect`.
    own_pushes: Cell<usize>,
    /// `true` if another thread has woken or spawned a task.
    has_foreign_threads: Cell<bool>,
    /// Steps in a row that only yielded.
    spins: Cell<u32>,
    /// The priority of the last candidate that was put behind all others.
    lowest: Cell<i64>,
    /// `true` if the code that runs now may call `block_on`.
    may_block: Rc<Cell<bool>>,
    stop: RefCell<Option<Stop>>,
    /// How often `block_on` was called after the stop.
    rejections: Cell<u32>,
    levels: Levels,
}

struct Runnable {
    what: What,
    priority: i64,
}

enum What {
    Task(TaskRef),
    Job(Job),
    Timer(DueTimer),
}

impl Run {
    /// Creates the run of a runtime whose clock it moves.
    pub(crate) fn new(shared: Arc<Shared>, seed: u64, steps_max: u64) -> Rc<Self> {
        let start = shared.timers.now();
        Rc::new(Self {
            seed,
            shared,
            chooser: RefCell::new(Chooser::new(seed)),
            names: RefCell::default(),
            runnable: RefCell::default(),
            start,
            steps: Cell::new(0),
            steps_max,
            own_pushes: Cell::new(0),
            has_foreign_threads: Cell::new(false),
            spins: Cell::new(0),
            lowest: Cell::new(0),
            may_block: Rc::new(Cell::new(false)),
            stop: RefCell::new(None),
            rejections: Cell::new(0),
            levels: Levels::default(),
        })
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Ends the run as soon as the current step is over. The first reason counts.
    pub(crate) fn stop(&self, reason: Stop) {
        self.stop.borrow_mut().get_or_insert(reason);
    }

    pub(crate) fn stopped(&self) -> Option<Stop> {
        self.stop.borrow().clone()
    }

    pub(crate) fn report(&self) -> RunReport {
        RunReport {
            steps: self.steps.get(),
            digest: self.chooser.borrow().digest(),
            elapsed: self.shared.timers.now().duration_since(self.start),
            trace: self.names.borrow().trace(),
            has_foreign_threads: self.has_foreign_threads.get(),
            is_blocked_by_nesting: self.levels.is_blocked_by_nesting(),
        }
    }

    /// Returns `true` if the task that has reached a point is preempted there.
    pub(crate) fn preempts(&self) -> bool {
        self.chooser.borrow_mut().preempts()
    }

    /// Returns the index of the candidate, out of `len`, that goes first.
    pub(crate) fn choose(&self, len: usize) -> usize {
        self.chooser.borrow_mut().below(len)
    }

    /// Records that this thread pushed a task of `shared` to the injector.
    pub(crate) fn pushed(&self, shared: &Shared) {
        if std::ptr::eq(shared, &*self.shared) {
            self.own_pushes.set(self.own_pushes.get() + 1);
        }
    }

    /// Records that a task was made on this thread.
    pub(crate) fn spawned(&self, task: TaskRef, site: &'static Location<'static>) {
        let priority = self.chooser.borrow_mut().priority();
        self.names.borrow_mut().spawned(task, site, priority);
    }

    /// Records that a task is about to be complete.
    pub(crate) fn ended(&self, task: TaskRef) {
        self.names.borrow_mut().ended(task);
    }

    /// Runs steps until `is_done`. Returns `false` if the run was stopped before.
    fn run_until(&self, is_done: impl Fn() -> bool) -> bool {
        Frame::root().run(|| {
            loop {
                // Checked first: a stop may be why the future is over, since a `block_on` in it
                // unwinds.
                if self.stop.borrow().is_some() {
                    return false;
                }
                if is_done() {
                    return true;
                }
                self.step();
            }
        })
    }

    /// Chooses one of the candidates, and runs it. If there is none, the time advances.
    fn step(&self) {
        self.collect();
        if self.runnable.borrow().is_empty() || self.spins.get() >= SPIN_STEPS {
            self.spins.set(0);
            self.levels.check();
            if !self.advance() && self.runnable.borrow().is_empty() {
                return self.stop(Stop::Deadlock(self.names.borrow().waiting()));
            }
        }
        if self.steps.get() == self.steps_max {
            let waiting = self.names.borrow().waiting();
            return self.stop(Stop::StepLimit(self.steps_max, waiting));
        }
        self.steps.set(self.steps.get() + 1);
        let chosen = {
            let mut runnable = self.runnable.borrow_mut();
            let priorities = runnable.iter().map(|entry| entry.priority);
            let index = self.chooser.borrow_mut().next_of(priorities);
            runnable.swap_remove(index)
        };
        // This may be within a poll of another task, whose budget is restored.
        let yielded = coop::with_unconstrained(|| self.run(chosen.what));
        self.spins
            .set(if yielded { self.spins.get() + 1 } else { 0 });
    }

    /// Takes the tasks that were woken or spawned, and the jobs of the blocking pool, since the
    /// last step.
    fn collect(&self) {
        let own_pushes = self.own_pushes.take();
        let mut pushes = 0;
        loop {
            match self.shared.queues.injector.steal() {
                Steal::Success(task) => {
                    pushes += 1;
                    let info = self.names.borrow_mut().get(task).map(|info| info.priority);
                    self.add(What::Task(task), info);
                }
                Steal::Retry => {}
                Steal::Empty => break,
            }
        }
        if pushes > own_pushes {
            self.has_foreign_threads.set(true);
        }
        for job in self.shared.blocking.take_queue() {
            let info = job.task().and_then(|task| {
                let mut names = self.names.borrow_mut();
                names.get(task).map(|info| info.priority)
            });
            if info.is_none() && job.task().is_some() {
                self.has_foreign_threads.set(true);
            }
            self.add(What::Job(job), info);
        }
    }

    /// Advances the time to the next timer. Returns `false` if there is none.
    fn advance(&self) -> bool {
        let timers = &self.shared.timers;
        let Some(next) = timers.next_due() else {
            return false;
        };
        timers.advance_to(next);
        self.note(Step::Jump(timers.now().duration_since(self.start)));
        for timer in timers.take_due(next) {
            self.add(What::Timer(timer), None);
        }
        true
    }

    fn add(&self, what: What, priority: Option<i64>) {
        let priority = priority.unwrap_or_else(|| self.chooser.borrow_mut().priority());
        self.runnable.borrow_mut().push(Runnable { what, priority });
    }

    fn note(&self, step: Step) {
        self.chooser.borrow_mut().note(step.to_number());
        self.names.borrow_mut().push(step);
    }

    /// Runs what was chosen. Returns `true` if it only yielded.
    fn run(&self, what: What) -> bool {
        match what {
            What::Task(task) => {
                let info = self.names.borrow_mut().get(task).copied();
                let number = info.map_or(u32::MAX, |info| info.number);
                self.note(Step::Task(number, info.map(|info| info.site())));
                let _restored = MayBlock::set(self, info.is_some_and(|info| info.may_block));
                self.run_task(task)
            }
            What::Job(job) => {
                let info = job
                    .task()
                    .and_then(|task| self.names.borrow_mut().get(task).copied());
                let number = info.map_or(u32::MAX, |info| info.number);
                self.note(Step::Job(number, info.map(|info| info.site())));
                let _restored = MayBlock::set(self, true);
                job.run();
                false
            }
            What::Timer(timer) => {
                self.note(Step::Timer);
                let _restored = MayBlock::set(self, false);
                timer.fire();
                false
            }
        }
    }

    fn run_task(&self, task: TaskRef) -> bool {
        // SAFETY: a task that comes out of a queue is runnable, and the tasks of this scheduler may
        // run on any thread, or were made by this one (`scoped.rs`).
        match unsafe { task.run() } {
            RunResult::Done => false,
            RunResult::Reschedule(task) => {
                // Behind all others from now on, until the choice is even.
                self.lowest.set(self.lowest.get() - 1);
                let priority = self.lowest.get();
                if let Some(info) = self.names.borrow_mut().get(task) {
                    info.priority = priority;
                }
                self.add(What::Task(task), Some(priority));
                true
            }
        }
    }

    /// Ends the runtime: the tasks that are left are dropped, like at a shutdown.
    pub(crate) fn shut_down(&self) {
        Frame::root().run(|| {
            self.collect();
            let mut jobs = Vec::new();
            let mut timers = Vec::new();
            for entry in self.runnable.take() {
                match entry.what {
                    What::Task(task) => self.shared.queues.injector.push(task),
                    What::Job(job) => jobs.push(job),
                    What::Timer(timer) => timers.push(timer),
                }
            }
            self.shared.close();
            drop(timers);
            for job in jobs {
                job.fail(None);
            }
            self.shared.blocking.close();
        });
    }
}
