//! `Question`: a named batch of operations, which all measuring programs share.

use std::fmt;
use std::str::FromStr;

use crate::Face;
use crate::means::{Means, Nothing};
use crate::work::{context, ping_pong, spawn, timers, yield_now};

/// The number of keys that are carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// No key.
    None,
    /// One key.
    K1,
    /// Four keys.
    K4,
    /// Sixteen keys.
    K16,
}

/// The operation that a batch repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Spawn from a task, many tasks alive at once, and await.
    SpawnManyLocal,
    /// Spawn from a thread outside the runtime, many tasks alive at once, and await.
    SpawnManyRemote,
    /// Spawn detached tasks from a task.
    SpawnDetached,
    /// Spawn from a task and await, one after the other.
    SpawnAwait,
    /// Each task spawns the next.
    ChainedSpawn,
    /// 200 tasks yield.
    Yield,
    /// Two tasks exchange two messages.
    PingPong,
    /// Arm a timer and cancel it.
    TimerCancel,
    /// Read one of the values.
    Get(Keys),
    /// Set all values for a function.
    Run(Keys),
    /// Set one more value for a function.
    RunOneMore(Keys),
    /// Set all values for a future.
    Enter(Keys),
    /// Spawn and await a task that inherits the values.
    ContextSpawn(Keys),
    /// 200 tasks that inherit the values yield.
    ContextYield(Keys),
}

/// The number of tasks of [`Question::Yield`].
const YIELDING_TASKS: usize = 200;

impl Question {
    /// Returns all workloads.
    pub fn all() -> Vec<Question> {
        use Question::*;
        let mut all = vec![
            SpawnManyLocal,
            SpawnManyRemote,
            SpawnDetached,
            SpawnAwait,
            ChainedSpawn,
            Yield,
            PingPong,
            TimerCancel,
        ];
        for of_keys in [Get, Run, RunOneMore, Enter, ContextSpawn, ContextYield] {
            all.extend([Keys::None, Keys::K1, Keys::K4, Keys::K16].map(of_keys));
        }
        all
    }

    /// Returns `true` if the workload only carries values within a task, so that the runtime does
    /// not matter.
    pub fn is_about_values_only(self) -> bool {
        matches!(
            self,
            Question::Get(_) | Question::Run(_) | Question::RunOneMore(_) | Question::Enter(_)
        )
    }

    /// Returns the default number of operations per batch.
    pub fn default_size(self) -> usize {
        match self {
            Question::SpawnManyLocal
            | Question::SpawnManyRemote
            | Question::SpawnDetached
            | Question::SpawnAwait
            | Question::ContextSpawn(_) => 10_000,
            Question::TimerCancel => 100_000,
            Question::ChainedSpawn | Question::PingPong => 1000,
            Question::Yield | Question::ContextYield(_) => 20_000,
            // Many operations, so that the wake-up of a worker per batch does not show in
            // operations of nanoseconds.
            Question::Get(_) => 1_000_000,
            Question::Run(_) | Question::RunOneMore(_) | Question::Enter(_) => 200_000,
        }
    }

    /// Runs one batch of `size` operations and waits for its end.
    pub fn batch<R: Face>(self, runtime: &R, size: usize) {
        let handle = runtime.handle();
        match self {
            Question::SpawnManyLocal => runtime.run(spawn::many::<R>(handle, size)),
            Question::SpawnManyRemote => spawn::many_from_outside(runtime, size),
            Question::SpawnDetached => runtime.run(spawn::detached::<R>(handle, size)),
            Question::SpawnAwait => runtime.run(spawn::one_by_one::<R>(handle, size)),
            Question::ChainedSpawn => runtime.run(spawn::chained::<R>(handle, size)),
            Question::Yield => {
                let yields = size / YIELDING_TASKS;
                runtime.run(yield_now::many::<R>(handle, YIELDING_TASKS, yields));
            }
            Question::PingPong => runtime.run(ping_pong::pairs::<R>(handle, size)),
            Question::TimerCancel => runtime.run(timers::arm_and_cancel::<R>(size)),
            Question::Get(keys)
            | Question::Run(keys)
            | Question::RunOneMore(keys)
            | Question::Enter(keys)
            | Question::ContextSpawn(keys)
            | Question::ContextYield(keys) => match keys {
                Keys::None => self.batch_under::<R, Nothing>(runtime, size),
                Keys::K1 => self.batch_under::<R, R::K1>(runtime, size),
                Keys::K4 => self.batch_under::<R, R::K4>(runtime, size),
                Keys::K16 => self.batch_under::<R, R::K16>(runtime, size),
            },
        }
    }

    fn batch_under<R: Face, M: Means>(self, runtime: &R, size: usize) {
        let handle = runtime.handle();
        match self {
            Question::Get(_) => runtime.run(context::get::<M>(size)),
            Question::Run(_) => runtime.run(context::run::<M>(size)),
            Question::RunOneMore(_) => runtime.run(context::run_one_more::<M>(size)),
            Question::Enter(_) => runtime.run(context::scope::<M>(size)),
            Question::ContextSpawn(_) => runtime.run(context::spawn::<R, M>(handle, size)),
            Question::ContextYield(_) => {
                let yields = size / YIELDING_TASKS;
                runtime.run(context::yield_now::<R, M>(handle, YIELDING_TASKS, yields));
            }
            _ => unreachable!("only context workloads have keys"),
        }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, keys) = match self {
            Question::SpawnManyLocal => return f.pad("spawn_many_local"),
            Question::SpawnManyRemote => return f.pad("spawn_many_remote"),
            Question::SpawnDetached => return f.pad("spawn_detached"),
            Question::SpawnAwait => return f.pad("spawn_await"),
            Question::ChainedSpawn => return f.pad("chained_spawn"),
            Question::Yield => return f.pad("yield_many"),
            Question::PingPong => return f.pad("ping_pong"),
            Question::TimerCancel => return f.pad("timer_cancel"),
            Question::Get(keys) => ("context_get", keys),
            Question::Run(keys) => ("context_run", keys),
            Question::RunOneMore(keys) => ("context_run_one_more", keys),
            Question::Enter(keys) => ("context_enter", keys),
            Question::ContextSpawn(keys) => ("context_spawn", keys),
            Question::ContextYield(keys) => ("context_yield", keys),
        };
        let keys = match keys {
            Keys::None => "none",
            Keys::K1 => "k1",
            Keys::K4 => "k4",
            Keys::K16 => "k16",
        };
        f.pad(&format!("{name}.{keys}"))
    }
}

impl FromStr for Question {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let mut all = Self::all().into_iter();
        all.find(|question| question.to_string() == name)
            .ok_or_else(|| format!("there is no workload {name:?}"))
    }
}
