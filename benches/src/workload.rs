//! `Workload`: a named batch of operations, which all measuring programs share.

use std::fmt;
use std::str::FromStr;

use crate::BenchRuntime;
use crate::carrier::{Carrier, Nothing};
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
pub enum Workload {
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

/// The number of tasks of [`Workload::Yield`].
const YIELDING_TASKS: usize = 200;

impl Workload {
    /// Returns all workloads.
    pub fn all() -> Vec<Workload> {
        use Workload::*;
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
            Workload::Get(_) | Workload::Run(_) | Workload::RunOneMore(_) | Workload::Enter(_)
        )
    }

    /// Returns the default number of operations per batch.
    pub fn default_size(self) -> usize {
        match self {
            Workload::SpawnManyLocal
            | Workload::SpawnManyRemote
            | Workload::SpawnDetached
            | Workload::SpawnAwait
            | Workload::ContextSpawn(_) => 10_000,
            Workload::TimerCancel => 100_000,
            Workload::ChainedSpawn | Workload::PingPong => 1000,
            Workload::Yield | Workload::ContextYield(_) => 20_000,
            // Many operations, so that the wake-up of a worker per batch does not show in
            // operations of nanoseconds.
            Workload::Get(_) => 1_000_000,
            Workload::Run(_) | Workload::RunOneMore(_) | Workload::Enter(_) => 200_000,
        }
    }

    /// Runs one batch of `size` operations and waits for its end.
    pub fn batch<R: BenchRuntime>(self, runtime: &R, size: usize) {
        let handle = runtime.handle();
        match self {
            Workload::SpawnManyLocal => runtime.run(spawn::many::<R>(handle, size)),
            Workload::SpawnManyRemote => spawn::many_from_outside(runtime, size),
            Workload::SpawnDetached => runtime.run(spawn::detached::<R>(handle, size)),
            Workload::SpawnAwait => runtime.run(spawn::one_by_one::<R>(handle, size)),
            Workload::ChainedSpawn => runtime.run(spawn::chained::<R>(handle, size)),
            Workload::Yield => {
                let yields = size / YIELDING_TASKS;
                runtime.run(yield_now::many::<R>(handle, YIELDING_TASKS, yields));
            }
            Workload::PingPong => runtime.run(ping_pong::pairs::<R>(handle, size)),
            Workload::TimerCancel => runtime.run(timers::arm_and_cancel::<R>(size)),
            Workload::Get(keys)
            | Workload::Run(keys)
            | Workload::RunOneMore(keys)
            | Workload::Enter(keys)
            | Workload::ContextSpawn(keys)
            | Workload::ContextYield(keys) => match keys {
                Keys::None => self.batch_under::<R, Nothing>(runtime, size),
                Keys::K1 => self.batch_under::<R, R::K1>(runtime, size),
                Keys::K4 => self.batch_under::<R, R::K4>(runtime, size),
                Keys::K16 => self.batch_under::<R, R::K16>(runtime, size),
            },
        }
    }

    fn batch_under<R: BenchRuntime, M: Carrier>(self, runtime: &R, size: usize) {
        let handle = runtime.handle();
        match self {
            Workload::Get(_) => runtime.run(context::get::<M>(size)),
            Workload::Run(_) => runtime.run(context::run::<M>(size)),
            Workload::RunOneMore(_) => runtime.run(context::run_one_more::<M>(size)),
            Workload::Enter(_) => runtime.run(context::scope::<M>(size)),
            Workload::ContextSpawn(_) => runtime.run(context::spawn::<R, M>(handle, size)),
            Workload::ContextYield(_) => {
                let yields = size / YIELDING_TASKS;
                runtime.run(context::yield_now::<R, M>(handle, YIELDING_TASKS, yields));
            }
            _ => unreachable!("only context workloads have keys"),
        }
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, keys) = match self {
            Workload::SpawnManyLocal => return f.pad("spawn_many_local"),
            Workload::SpawnManyRemote => return f.pad("spawn_many_remote"),
            Workload::SpawnDetached => return f.pad("spawn_detached"),
            Workload::SpawnAwait => return f.pad("spawn_await"),
            Workload::ChainedSpawn => return f.pad("chained_spawn"),
            Workload::Yield => return f.pad("yield_many"),
            Workload::PingPong => return f.pad("ping_pong"),
            Workload::TimerCancel => return f.pad("timer_cancel"),
            Workload::Get(keys) => ("context_get", keys),
            Workload::Run(keys) => ("context_run", keys),
            Workload::RunOneMore(keys) => ("context_run_one_more", keys),
            Workload::Enter(keys) => ("context_enter", keys),
            Workload::ContextSpawn(keys) => ("context_spawn", keys),
            Workload::ContextYield(keys) => ("context_yield", keys),
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

impl FromStr for Workload {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let mut all = Self::all().into_iter();
        all.find(|workload| workload.to_string() == name)
            .ok_or_else(|| format!("there is no workload {name:?}"))
    }
}
