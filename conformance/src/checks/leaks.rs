//! Contract, "Values", in the long run: C-79 to C-81. What does not grow, what leaks by design, and
//! what is left when a thread ends.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use framewise_context::{ContextVar, DefaultVar, Frame, frame_stats};

use super::threads::spawn_blocking;
use super::within::{NOT_CARRIED, fails, in_task, sees};
use crate::check_context::{CheckContext, output_of, panicked};
use crate::check_result::{CheckResult, ensure, expect};
use crate::support::{DropToken, DropTracker, ID, Log, eventually, yield_times};

/// The checks of this part of the chapter.
#[doc(hidden)]
#[macro_export]
macro_rules! __leaks_checks {
    ({ $($callback:tt)* } $arguments:tt) => {
        $($callback)*! { $arguments leaks:
            c79_a_chain_of_tasks_that_rebind_holds_no_more_than_its_end
            c80_a_value_that_holds_its_own_frame_leaks_and_is_named
            c81_a_threads_end_sees_the_default
            c81_the_end_of_a_thread_that_ran_the_executor_sees_the_default
            c81_the_end_of_the_executors_threads_sees_the_default
        }
    };
}

/// The number of links of the chain; each link binds and spawns the next.
const LINKS: u64 = 3_000;

/// The maximum number of the links' values that may be alive at once. A thread that is preempted
/// between a task's end and its release holds one; there are fewer threads than this.
const LIVE_MAX: usize = 300;

/// The depth of polls within polls at which spawning counts as recursion.
const DEPTH_MAX: usize = 50;

/// Counts its live instances.
struct Counted(Arc<Chain>);

#[derive(Default)]
struct Chain {
    made: AtomicUsize,
    live: AtomicUsize,
    most: AtomicUsize,
    last: Mutex<Option<CheckResult>>,
}

impl Counted {
    fn new(chain: &Arc<Chain>) -> Self {
        chain.made.fetch_add(1, Ordering::SeqCst);
        let live = chain.live.fetch_add(1, Ordering::SeqCst) + 1;
        chain.most.fetch_max(live, Ordering::SeqCst);
        Self(Arc::clone(chain))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.live.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Chain {
    fn ends(&self, result: CheckResult) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
    }

    fn has_ended(&self) -> bool {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some()
    }
}

static TRAIL: ContextVar<Counted> = ContextVar::new("trail");

/// Binds both variables on top of the current frame, and spawns a link that does the same.
fn link(own: CheckContext, chain: Arc<Chain>, left: u64) {
    thread_local! {
        static DEPTH: Cell<usize> = const { Cell::new(0) };
    }
    if left == 0 {
        return chain.ends(Ok(()));
    }
    let depth = DEPTH.get();
    if depth > DEPTH_MAX {
        return chain.ends(fails(
            "a task that spawns another",
            "the other runs within its poll, and so on: the stack overflows",
            "tasks are run where they are spawned or woken",
        ));
    }
    DEPTH.set(depth + 1);
    TRAIL.run(Counted::new(&chain), || {
        ID.run(left, || {
            let spawner = own.clone();
            // It is detached.
            drop(spawner.spawn(async move {
                yield_times(1).await;
                let place = "in a link of a chain of tasks, each spawned in the one before";
                match sees(Some(left), place) {
                    Ok(()) => link(own, chain, left - 1),
                    failed => chain.ends(failed),
                }
            }));
        });
    });
    DEPTH.set(depth);
}

pub(crate) fn c79_a_chain_of_tasks_that_rebind_holds_no_more_than_its_end(
    check: &CheckContext,
) -> CheckResult {
    let chain = Arc::<Chain>::default();
    let (own, first) = (check.clone(), Arc::clone(&chain));
    check.block_on(async move { link(own, first, LINKS) });
    let mut made = 0;
    while !check.block_on(eventually(|| chain.has_ended())) {
        let now = chain.made.load(Ordering::SeqCst);
        let seen = format!("it stalls after {now} links");
        ensure(
            now > made,
            "a chain of tasks goes on",
            &seen,
            "a task is lost",
        )?;
        made = now;
    }
    let last = chain
        .last
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    last.unwrap_or(Ok(()))?;
    let most = chain.most.load(Ordering::SeqCst);
    ensure(
        most <= LIVE_MAX,
        &format!("at most {LIVE_MAX} of {LINKS} values of a chain of tasks are alive at once"),
        &most.to_string(),
        "a task holds its parent's frame besides its own, or a finished task keeps its frame",
    )?;
    check.eventually("the last value of a chain ends with it", || {
        chain.live.load(Ordering::SeqCst) == 0
    })
}

type FrameSlot = Arc<Mutex<Option<Frame>>>;

/// A slot for the frame that binds it, and a token that shows how long the frame lives.
static OWN: ContextVar<(FrameSlot, DropToken)> = ContextVar::new("own");

/// Held while a check uses the statistics, which count the whole process.
static ALONE: Mutex<()> = Mutex::new(());

pub(crate) fn c80_a_value_that_holds_its_own_frame_leaks_and_is_named(
    check: &CheckContext,
) -> CheckResult {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (token, tracker) = DropTracker::new();
    let slot = FrameSlot::default();
    let own = (Arc::clone(&slot), token);
    let ties = async {
        yield_times(1).await;
        OWN.with(|own| {
            let (slot, _) = own?;
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(Frame::current());
            Some(())
        })
    };
    let bound_at = line!() + 1;
    let task = OWN.run(own, || check.spawn(ties));
    let tied = check.block_on(task.output())?.is_some();
    ensure(
        tied,
        "a task has its spawner's value",
        "it has not",
        NOT_CARRIED,
    )?;
    // So that the executor has dropped the task, too.
    check.block_on(check.spawn(yield_times(2)).output())?;
    // The statistics exist in builds with debug assertions only.
    let live = || frame_stats().map(|stats| stats.at(file!(), bound_at));
    let leaks = !tracker.is_dropped();
    let named = live().is_none_or(|live| live > 0);
    let held = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
    drop(held);
    ensure(
        leaks,
        "a value that holds its own frame is not collected",
        "it ended",
        "",
    )?;
    ensure(
        named,
        "the statistics name where it was bound",
        "no live frame of there",
        "",
    )?;
    let what = "a value that no longer holds its frame ends";
    check.eventually(what, || tracker.is_dropped())?;
    let what = "no frame is live of where it was bound";
    check.eventually(what, || live().is_none_or(|live| live == 0))
}

static WITH_DEFAULT: DefaultVar<u64> = DefaultVar::new("with_default", 3);

/// Records what it sees when it is dropped: at its thread's end, if it is stored in a thread-local.
struct AtTheEnd(Log);

impl Drop for AtTheEnd {
    fn drop(&mut self) {
        let bound = ID.run(5, || ID.get());
        let fine = WITH_DEFAULT.get() == 3 && bound == Some(5) && Frame::current().is_root();
        self.0.record(if fine { "fine" } else { "another frame" });
    }
}

thread_local! {
    static EARLY: RefCell<Vec<AtTheEnd>> = const { RefCell::new(Vec::new()) };
    static LATE: RefCell<Vec<AtTheEnd>> = const { RefCell::new(Vec::new()) };
}

/// Makes this thread record what it sees at its end: before and after its first use of a frame.
fn record_this_threads_end(log: &Log) {
    EARLY.with(|early| early.borrow_mut().push(AtTheEnd(log.clone())));
    WITH_DEFAULT.run(7, || {
        ID.run(6, || {
            LATE.with(|late| late.borrow_mut().push(AtTheEnd(log.clone())))
        });
    });
}

/// Checks that each recorded end of a thread was at the root, with the default.
fn all_fine(log: &Log) -> CheckResult {
    for (label, seen) in log.entries() {
        expect(
            "a variable's default, run, and ID where a thread's locals end",
            ("fine", None),
            (label, seen),
            &[(
                ("another frame", None),
                "the thread ends in a frame: restore what was there before a poll after it",
            )],
        )?;
    }
    Ok(())
}

pub(crate) fn c81_a_threads_end_sees_the_default(check: &CheckContext) -> CheckResult {
    in_task(check, async {
        let log = Log::new();
        let recorded = log.clone();
        WITH_DEFAULT
            .scope(8, async move {
                yield_times(1).await;
                let frame = Frame::current();
                let thread = thread::spawn(move || {
                    frame.run(|| record_this_threads_end(&recorded));
                });
                thread.join().map_err(|payload| panicked(&*payload))
            })
            .await?;
        expect(
            "ends of threads that were recorded",
            2,
            log.entries().len(),
            &[],
        )?;
        all_fine(&log)
    })
}

pub(crate) fn c81_the_end_of_a_thread_that_ran_the_executor_sees_the_default(
    check: &CheckContext,
) -> CheckResult {
    check.needs_any_thread()?;
    let log = Log::new();
    let (own, recorded) = (check.clone(), log.clone());
    let frame = Frame::current();
    let thread = thread::spawn(move || {
        frame.run(|| {
            WITH_DEFAULT.run(8, || {
                own.block_on(async {
                    record_this_threads_end(&recorded);
                    own.spawn(yield_times(3)).output().await
                })
            })
        })
    });
    match thread.join() {
        Ok(ended) => ended?,
        Err(payload) => return Err(panicked(&*payload).into()),
    }
    expect(
        "ends of threads that were recorded",
        2,
        log.entries().len(),
        &[],
    )?;
    all_fine(&log)
}

pub(crate) fn c81_the_end_of_the_executors_threads_sees_the_default(
    check: &CheckContext,
) -> CheckResult {
    let shutdown = check.shutdown()?;
    let log = Log::new();
    let here = thread::current().id();
    let record = |number| {
        let recorded = log.clone();
        ID.run(number, || {
            WITH_DEFAULT.run(number, || {
                check.spawn(async move {
                    yield_times(1).await;
                    // This thread ends only after the check.
                    if thread::current().id() != here {
                        record_this_threads_end(&recorded);
                    }
                })
            })
        })
    };
    let tasks: Vec<_> = (10..26).map(record).collect();
    for task in tasks {
        check.block_on(task.output())?;
    }
    if let Some(blocking) = check.executor().blocking() {
        let log = log.clone();
        let call = ID.run(26, || {
            spawn_blocking(blocking, move || record_this_threads_end(&log))
        });
        output_of::<()>(check.block_on(call.join()))?;
    }
    // Threads that are not joined here are not seen, since the suite cannot wait for them.
    shutdown.shut_down();
    all_fine(&log)
}
