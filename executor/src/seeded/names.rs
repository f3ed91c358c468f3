//! The names of the tasks in a seeded run, and its last steps.
//!
//! Owns the numbers of tasks and the trace, for the messages of runs that fail. Tasks are found by
//! their address, which is never looked at otherwise: a run does not depend on it.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::panic::Location;
use std::time::Duration;

use crate::task::header::TaskRef;

/// The number of steps that the message of a failure shows.
const TRACE_LEN: usize = 24;

/// The number of tasks that the message of a deadlock names.
const NAMED_MAX: usize = 16;

/// What a run knows of a task.
#[derive(Clone, Copy)]
pub(super) struct TaskInfo {
    /// Counts from zero in the order of spawning; the future of the run itself is 0.
    pub(super) number: u32,
    pub(super) priority: i64,
    /// It is the future of a `block_on`, which may call `block_on` in turn.
    pub(super) may_block: bool,
    site: &'static Location<'static>,
}

/// A step of a run.
#[derive(Clone, Copy)]
pub(super) enum Step {
    Task(u32, Option<&'static Location<'static>>),
    Job(u32, Option<&'static Location<'static>>),
    Timer,
    /// Nothing could run, so the time advanced to this, counted from the run's start.
    Jump(Duration),
}

/// The tasks of a run that are not complete, and the last steps.
#[derive(Default)]
pub(super) struct Names {
    tasks: BTreeMap<usize, TaskInfo>,
    spawned: u32,
    trace: VecDeque<Step>,
}

impl Names {
    pub(super) fn spawned(
        &mut self,
        task: TaskRef,
        site: &'static Location<'static>,
        priority: i64,
    ) {
        let info = TaskInfo {
            number: self.spawned,
            priority,
            may_block: false,
            site,
        };
        self.spawned += 1;
        self.tasks.insert(task.as_ptr().addr(), info);
    }

    pub(super) fn ended(&mut self, task: TaskRef) {
        self.tasks.remove(&task.as_ptr().addr());
    }

    pub(super) fn get(&mut self, task: TaskRef) -> Option<&mut TaskInfo> {
        self.tasks.get_mut(&task.as_ptr().addr())
    }

    pub(super) fn push(&mut self, step: Step) {
        if self.trace.len() == TRACE_LEN {
            self.trace.pop_front();
        }
        self.trace.push_back(step);
    }

    /// Returns a text that says how many tasks there are, and where they were spawned.
    pub(super) fn waiting(&self) -> String {
        let mut tasks: Vec<_> = self.tasks.values().collect();
        tasks.sort_unstable_by_key(|task| task.number);
        let mut text = match tasks.len() {
            1 => "1 task waits".to_owned(),
            len => format!("{len} tasks wait"),
        };
        for task in tasks.iter().take(NAMED_MAX) {
            let name = name("task", task.number, Some(task.site));
            // Writing to a String does not fail.
            let _ = write!(text, "\n  {name}");
        }
        if tasks.len() > NAMED_MAX {
            text.push_str("\n  ...");
        }
        text
    }

    /// Returns the last steps, a line each.
    pub(super) fn trace(&self) -> Vec<String> {
        self.trace.iter().map(|step| step.to_line()).collect()
    }
}

impl TaskInfo {
    pub(super) fn site(&self) -> &'static Location<'static> {
        self.site
    }

    pub(super) fn set_site(&mut self, site: &'static Location<'static>) {
        self.site = site;
    }
}

impl Step {
    fn to_line(self) -> String {
        match self {
            Self::Task(number, site) => name("task", number, site),
            Self::Job(number, site) => name("blocking call", number, site),
            Self::Timer => "a timer".to_owned(),
            Self::Jump(elapsed) => format!("the time advances to {elapsed:?}"),
        }
    }

    /// Returns a number for the digest: the same step has the same number.
    pub(super) fn to_number(self) -> u64 {
        match self {
            Self::Task(number, _) => 1 << 60 | u64::from(number),
            Self::Job(number, _) => 2 << 60 | u64::from(number),
            Self::Timer => 3 << 60,
            Self::Jump(elapsed) => 4 << 60 ^ elapsed.as_nanos() as u64,
        }
    }
}

fn name(kind: &str, number: u32, site: Option<&'static Location<'static>>) -> String {
    match (number, site) {
        (0, _) => "the future of the run".to_owned(),
        (_, Some(site)) => format!("{kind} {number}, spawned at {site}"),
        (_, None) => kind.to_owned(),
    }
}
