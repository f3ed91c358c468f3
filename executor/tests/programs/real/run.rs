//! One run of a program: its observations, and its live values.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread;
use std::time::{Duration, Instant};

use framewise::task::AbortHandle;
use framewise::{Frame, JoinError};

use super::faults::Fault;
use super::hook;
use crate::expect::{Note, Observation, Place, Role};
use crate::program::Node;
use crate::variables::{Made, Seen, Var};
use crate::work::Reason;

/// The timeout after which live values count as leaked. No test measures time with it.
const LEAK: Duration = Duration::from_secs(10);

pub(crate) struct Run {
    number: u64,
    pub(crate) fault: Fault,
    /// `true` if the runtime has a hook for unhandled panics.
    has_hook: bool,
    state: Mutex<RunState>,
    calm: Condvar,
}

#[derive(Default)]
struct RunState {
    observations: Vec<(Place, Observation)>,
    complaints: Vec<String>,
    values_made: u64,
    values: BTreeSet<u64>,
    /// The number of tasks and callbacks that run independently.
    busy: usize,
    /// Panics of callbacks that the runtime's hook has not received yet.
    unreported: Vec<u32>,
    tasks: Vec<AbortHandle>,
    /// Held until everything else has ended: they must keep nothing alive.
    wakers: Vec<Waker>,
}

impl Run {
    pub(crate) fn new(fault: Fault, has_hook: bool) -> Arc<Self> {
        let number = hook::number();
        let run = Arc::new(Self {
            number,
            fault,
            has_hook,
            state: Mutex::default(),
            calm: Condvar::new(),
        });
        hook::register(number, &run);
        run
    }

    /// Returns a run for values that belong to no program.
    pub(crate) fn detached() -> Arc<Self> {
        Self::new(Fault::None, false)
    }

    pub(crate) fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn state(&self) -> MutexGuard<'_, RunState> {
        lock(&self.state)
    }

    /// Observes the variables.
    pub(crate) fn observe(&self, place: Place, note: Note) {
        let seen = Seen::now();
        self.state().observations.push((place, (seen, note)));
    }

    pub(crate) fn complain(&self, what: String) {
        self.state().complaints.push(what);
    }

    /// Returns the values of the statement's bindings from `first` on.
    pub(crate) fn made(self: &Arc<Self>, node: &Node, first: usize) -> Vec<Made> {
        let binds = node.binds.iter().enumerate().skip(first);
        binds
            .map(|(index, bind)| Made::new(self, bind.var, node.value(index), bind.chained))
            .collect()
    }

    /// Returns the variables that the statement removes.
    pub(crate) fn unbound(&self, node: &Node) -> Vec<Var> {
        let all = node.binds.iter().map(|bind| bind.var);
        // A seeded fault removes one too few.
        all.skip(usize::from(
            self.is(Fault::UnbindsTooLittle) && node.binds.len() > 1,
        ))
        .collect()
    }

    /// Returns a serial number for a new value.
    pub(crate) fn value_made(&self) -> u64 {
        let mut state = self.state();
        state.values_made += 1;
        let serial = state.values_made;
        state.values.insert(serial);
        serial
    }

    pub(crate) fn value_dropped(&self, serial: u64) {
        let was_there = self.state().values.remove(&serial);
        if !was_there {
            self.complain("C-19: a value was dropped twice".to_owned());
        }
    }

    pub(crate) fn is_alive(&self, serial: u64) -> bool {
        self.state().values.contains(&serial)
    }

    /// Returns a drop tracker, which observes the variables when it is dropped.
    pub(crate) fn watched(self: &Arc<Self>, id: u32, role: Role) -> Watched {
        Watched {
            run: Arc::clone(self),
            place: (id, role),
        }
    }

    /// Returns a guard for an independent task.
    pub(crate) fn busy(self: &Arc<Self>) -> Busy {
        self.busy_in(false)
    }

    /// Returns a guard for a callback.
    pub(crate) fn busy_callback(self: &Arc<Self>) -> Busy {
        self.busy_in(true)
    }

    fn busy_in(self: &Arc<Self>, is_callback: bool) -> Busy {
        self.state().busy += 1;
        Busy {
            run: Arc::clone(self),
            is_callback,
        }
    }

    /// Records that the runtime's hook received the panic of this statement.
    pub(super) fn reported(&self, id: u32) {
        let mut state = self.state();
        if let Some(place) = state
            .unreported
            .iter()
            .position(|&unreported| unreported == id)
        {
            state.unreported.remove(place);
            self.less_busy(state);
        }
    }

    fn less_busy(&self, mut state: MutexGuard<'_, RunState>) {
        state.busy -= 1;
        if state.busy == 0 {
            self.calm.notify_all();
        }
    }

    pub(crate) fn track(&self, task: AbortHandle) {
        self.state().tasks.push(task);
    }

    /// Returns `true` if a task has neither ended nor parked.
    pub(crate) fn is_busy(&self) -> bool {
        self.state().busy > 0
    }

    /// Waits until every task has ended or parked.
    pub(crate) fn wait_for_calm(&self) {
        let mut state = self.state();
        while state.busy > 0 {
            state = self
                .calm
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Aborts the remaining tasks, and waits until all have ended.
    pub(crate) fn end_tasks(&self) {
        let tasks = std::mem::take(&mut self.state().tasks);
        tasks.iter().for_each(AbortHandle::abort);
        // A finished task has released its frame (C-47).
        while !tasks.iter().all(AbortHandle::is_finished) {
            thread::yield_now();
        }
    }

    pub(crate) fn keep_waker(&self, waker: Waker) {
        self.state().wakers.push(waker);
    }

    /// Returns `true` if a value's destructor has spawned a task that has not ended yet.
    fn has_late_tasks(&self) -> bool {
        let state = self.state();
        !state.tasks.iter().all(AbortHandle::is_finished)
    }

    /// Calls the kept wakers, whose tasks have ended.
    pub(crate) fn wake_late(&self) {
        let wakers = std::mem::take(&mut self.state().wakers);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Returns the number of leaked values.
    ///
    /// A timer releases a callback's or waker's frame after the call, so this waits for values that
    /// a correct runtime may still hold.
    pub(crate) fn leaked(&self) -> usize {
        let until = Instant::now() + LEAK;
        loop {
            let alive = self.state().values.len();
            if alive == 0 && !self.has_late_tasks()
                || !self.is(Fault::None)
                || Instant::now() > until
            {
                return alive;
            }
            thread::yield_now();
        }
    }

    pub(crate) fn take(&self) -> (Vec<(Place, Observation)>, Vec<String>) {
        let mut state = self.state();
        (
            std::mem::take(&mut state.observations),
            std::mem::take(&mut state.complaints),
        )
    }

    /// Returns the message of the panic of statement `id`.
    pub(crate) fn message(&self, id: u32) -> String {
        hook::message(self.number, id)
    }

    /// Returns the note for the panic of the statement in the message.
    pub(crate) fn panic_of(&self, message: &str) -> Note {
        match hook::planned(message) {
            Some((number, id)) if number == self.number => Note::Panicked(id),
            _ => {
                self.complain(format!("an unplanned panic: {message}"));
                Note::Strange
            }
        }
    }

    /// Observes the reported frame of a caught panic.
    pub(crate) fn panicked(&self, message: &str, frame: &Frame) -> Note {
        let note = self.panic_of(message);
        if let Note::Panicked(id) = note {
            frame.run(|| self.observe((id, Role::Frame), Note::Nothing));
        }
        note
    }

    /// Observes the end of a task.
    pub(crate) fn ended<T>(&self, id: u32, ended: Result<T, JoinError>) {
        self.ended_at((id, Role::Ended), ended);
    }

    pub(crate) fn ended_at<T>(&self, place: Place, ended: Result<T, JoinError>) {
        let note = match &ended {
            Ok(_) => Note::Done,
            Err(error) => match error.frame() {
                Some(_) if self.is(Fault::FrameOfAwaiter) => {
                    self.panicked(&error.to_string(), &Frame::current())
                }
                Some(frame) => self.panicked(&error.to_string(), frame),
                None if error.is_cancelled() => Note::Cancelled,
                None => match error.ended() {
                    Some(ended) => Note::EndedBy(Reason::of(ended)),
                    None => Note::Strange,
                },
            },
        };
        self.observe(place, note);
    }
}

/// Shows the state of the run.
impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        let unfinished = state
            .tasks
            .iter()
            .filter(|task| !task.is_finished())
            .count();
        f.debug_struct("Run")
            .field("busy", &state.busy)
            .field("unfinished", &unfinished)
            .field("values", &state.values.len())
            .field("last", &state.observations.last())
            .finish()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        hook::forget(self.number);
    }
}

/// A drop tracker: observes the variables when it is dropped.
pub(crate) struct Watched {
    run: Arc<Run>,
    place: Place,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.run.observe(self.place, Note::Nothing);
    }
}

/// The guard of an independent task or callback, which keeps its run busy.
pub(crate) struct Busy {
    run: Arc<Run>,
    is_callback: bool,
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut state = self.run.state();
        if self.is_callback && self.run.has_hook && thread::panicking() {
            // A panicking callback has ended only when the runtime's hook has received its panic.
            state.unreported.push(hook::last_panic());
        } else {
            self.run.less_busy(state);
        }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
