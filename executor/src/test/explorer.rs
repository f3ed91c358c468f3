//! Running a test under many seeds.
//!
//! Owns the choice of seeds, and what happens after a failure. A single run belongs to
//! `crate::seeded::runtime`.

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::time::Duration;

use super::environment::Environment;
use super::failure::Failure;
use crate::seeded::runtime::{self, RunSettings};

/// How many seeds [`check`](super::check) tries by default.
const RUNS: u64 = 100;

/// How many steps a run may take by default.
const STEPS_MAX: u64 = 1_000_000;

/// Settings for seeded runs, for tests that those of [`check`](super::check) do not fit.
///
/// # Examples
///
/// ```
/// use framewise::test::Explorer;
///
/// let explored = Explorer::new().runs(20).step_limit(1000).explore(|| async {
///     loop {
///         framewise::task::yield_now().await;
///     }
/// });
/// assert_eq!(explored.failures(), 20);
/// assert!(explored.first_failure().is_some_and(|failure| failure.is_step_limit()));
/// ```
#[derive(Clone, Debug)]
#[must_use = "an explorer does nothing until it runs something"]
pub struct Explorer {
    runs: u64,
    first_seed: u64,
    steps_max: u64,
    fails_on_unhandled: bool,
}

impl Explorer {
    /// Creates an explorer with the settings of [`check`](super::check): 100 seeds from 0 on.
    pub fn new() -> Self {
        Self {
            runs: RUNS,
            first_seed: 0,
            steps_max: STEPS_MAX,
            fails_on_unhandled: true,
        }
    }

    /// Sets the number of seeds to try. By default 100.
    ///
    /// # Panics
    ///
    /// Panics if `runs` is zero: no test could fail.
    #[track_caller]
    pub fn runs(mut self, runs: u64) -> Self {
        assert!(runs > 0, "a test needs at least one run");
        self.runs = runs;
        self
    }

    /// Sets the first seed; the others follow it one by one. By default 0.
    pub fn first_seed(mut self, seed: u64) -> Self {
        self.first_seed = seed;
        self
    }

    /// Sets how many steps (polls, blocking calls, timers) a run may take before it fails as a
    /// livelock. By default a million.
    pub fn step_limit(mut self, steps: u64) -> Self {
        self.steps_max = steps;
        self
    }

    /// Lets a run continue after a panic without a joiner: of a detached task, of a timer callback.
    /// By default it fails the run.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::test::Explorer;
    ///
    /// async fn detached_panic() {
    ///     let task = framewise::spawn(async { panic!("no such order") });
    ///     let finished = async { while !task.is_finished() { framewise::task::yield_now().await } };
    ///     finished.await;
    /// }
    ///
    /// let explorer = Explorer::new().runs(5);
    /// assert_eq!(explorer.explore(detached_panic).failures(), 5);
    /// let explorer = explorer.ignore_unhandled_panics();
    /// assert_eq!(explorer.explore(detached_panic).failures(), 0);
    /// ```
    pub fn ignore_unhandled_panics(mut self) -> Self {
        self.fails_on_unhandled = false;
        self
    }

    /// Runs the future that `make` returns under one seed.
    ///
    /// # Panics
    ///
    /// Panics within another seeded run, and on a worker of a runtime.
    ///
    /// # Frame
    ///
    /// The future sees the frame that is current here, as with
    /// [`block_on`](crate::block_on); it is current again afterwards.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use framewise::{test::Explorer, time};
    ///
    /// let run = Explorer::new().run(7, || async {
    ///     time::sleep(Duration::from_secs(3600)).await;
    ///     42
    /// });
    /// assert!(run.elapsed() >= Duration::from_secs(3600)); // virtual time
    /// assert_eq!(run.unwrap(), 42);
    /// ```
    #[track_caller]
    pub fn run<F: Future>(&self, seed: u64, make: impl FnOnce() -> F) -> Run<F::Output> {
        let settings = RunSettings {
            seed,
            steps_max: self.steps_max,
            fails_on_unhandled: self.fails_on_unhandled,
        };
        let (outcome, report) = runtime::run(settings, make, Location::caller());
        Run {
            steps: report.steps,
            digest: report.digest,
            elapsed: report.elapsed,
            result: Failure::of(seed, outcome, report),
        }
    }

    /// Runs the futures that `make` returns, one for each seed, and returns a summary. The
    /// environment's variables are ignored.
    ///
    /// # Panics
    ///
    /// Like [`run`](Self::run), but not if a run fails.
    #[track_caller]
    pub fn explore<F: Future>(&self, make: impl Fn() -> F) -> Explored {
        let mut explored = Explored::default();
        for seed in self.seeds() {
            let run = self.run(seed, &make);
            explored.runs += 1;
            explored.steps += run.steps;
            explored.digests.insert(run.digest);
            if let Err(failure) = run.result {
                explored.failures += 1;
                explored.first.get_or_insert(failure);
            }
        }
        explored
    }

    /// Runs the futures that `make` returns, one for each seed, until one fails. The environment's
    /// variables take precedence over the settings; see [`check`](super::check).
    ///
    /// # Panics
    ///
    /// Panics with the failure of the first run that fails, and like [`run`](Self::run).
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::test::Explorer;
    ///
    /// Explorer::new().step_limit(100).check(|| async {
    ///     let task = framewise::spawn(async { 42 });
    ///     assert_eq!(task.await.ok(), Some(42));
    /// });
    /// ```
    #[track_caller]
    pub fn check<F: Future>(&self, make: impl Fn() -> F) {
        let settings = match Environment::of_process() {
            Environment {
                seed: Some(seed), ..
            } => self.clone().first_seed(seed).runs(1),
            Environment {
                seeds: Some(seeds), ..
            } => self.clone().runs(seeds),
            Environment { .. } => self.clone(),
        };
        for seed in settings.seeds() {
            if let Err(failure) = settings.run(seed, &make).result {
                let again = settings.run(seed, &make);
                let note = if again.digest == failure.digest() {
                    ""
                } else {
                    "\na second run under this seed went differently: something in the test \
                     depends on more than the seed"
                };
                panic!("{failure}\n{}{note}", replay(seed));
            }
        }
    }

    fn seeds(&self) -> impl Iterator<Item = u64> + use<> {
        let first = self.first_seed;
        (0..self.runs).map(move |step| first.wrapping_add(step))
    }
}

/// Returns the command that replays a failure. The test harness gives a test's thread the test's
/// name.
fn replay(seed: u64) -> String {
    let thread = std::thread::current();
    let test = thread.name().filter(|&name| name != "main").unwrap_or("");
    format!("replay it: FRAMEWISE_SEED={seed:#x} cargo test {test}")
}

impl Default for Explorer {
    fn default() -> Self {
        Self::new()
    }
}

/// The result of one seeded run.
#[derive(Debug)]
#[must_use = "a run may have failed"]
pub struct Run<T> {
    result: Result<T, Failure>,
    steps: u64,
    digest: u64,
    elapsed: Duration,
}

impl<T> Run<T> {
    /// Returns the future's output.
    ///
    /// # Panics
    ///
    /// Panics with the failure if the run failed.
    #[track_caller]
    pub fn unwrap(self) -> T {
        match self.result {
            Ok(output) => output,
            Err(failure) => panic!("{failure}"),
        }
    }

    /// Returns the future's output, or why the run failed.
    ///
    /// # Errors
    ///
    /// Returns the failure if the run failed.
    pub fn into_result(self) -> Result<T, Failure> {
        self.result
    }

    /// Returns why the run failed, if it did.
    pub fn failure(&self) -> Option<&Failure> {
        self.result.as_ref().err()
    }

    /// Returns the number of steps that the run took: polls, blocking calls and timers.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Returns a digest of every decision of the run: two runs with the same digest went the same
    /// way.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// Returns the virtual time that passed.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }
}

/// The summary of the runs of [`explore`](super::explore).
#[derive(Clone, Debug, Default)]
pub struct Explored {
    runs: u64,
    steps: u64,
    failures: u64,
    digests: BTreeSet<u64>,
    first: Option<Failure>,
}

impl Explored {
    /// Returns the number of runs.
    pub fn runs(&self) -> u64 {
        self.runs
    }

    /// Returns the number of runs that failed.
    pub fn failures(&self) -> u64 {
        self.failures
    }

    /// Returns the first failure.
    pub fn first_failure(&self) -> Option<&Failure> {
        self.first.as_ref()
    }

    /// Returns the number of different runs: runs with the same decisions count once.
    ///
    /// # Examples
    ///
    /// ```
    /// let explored = framewise::test::explore(50, || async {
    ///     let tasks = [(); 3].map(|()| framewise::spawn(framewise::task::yield_now()));
    ///     for task in tasks {
    ///         task.await.expect("it does not panic");
    ///     }
    /// });
    /// assert!(explored.distinct() > 1);
    /// ```
    pub fn distinct(&self) -> usize {
        self.digests.len()
    }

    /// Returns the number of steps of all runs together.
    pub fn steps(&self) -> u64 {
        self.steps
    }
}

impl fmt::Display for Explored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {} seeded runs failed ({} distinct, {} steps)",
            self.failures,
            self.runs,
            self.distinct(),
            self.steps
        )?;
        match &self.first {
            Some(first) => write!(f, "; the first:\n{first}"),
            None => Ok(()),
        }
    }
}
