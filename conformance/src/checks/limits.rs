//! Contract, "Basics", where they meet limits: races, depths, sizes. C-10 to C-14.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use framewise_context::{ContextVar, Frame, bind};

use super::within::{LEFT_BEHIND, NOT_CARRIED, fails, in_task, sees};
use crate::check_context::{CheckContext, Spawned};
use crate::check_result::{CheckError, CheckResult, ensure, expect};
use crate::support::{DropTracker, ID, KEPT, eventually, yield_times};

/// The checks of this part of the chapter.
#[doc(hidden)]
#[macro_export]
macro_rules! __limits_checks {
    ({ $($callback:tt)* } $arguments:tt) => {
        $($callback)*! { $arguments limits:
            c10_tasks_that_race_for_a_variables_first_use_agree_on_it
            c11_a_thousand_nested_runs_work
            c12_a_long_chain_of_frames_ends_without_using_up_the_stack
            c13_correct_at_each_size
            c14_get_and_run_work_inside_of_with
        }
    };
}

static TEXT: ContextVar<String> = ContextVar::new("text");

/// Each round has an unused variable: a variable gets its key once per process, at its first use.
pub(crate) fn c10_tasks_that_race_for_a_variables_first_use_agree_on_it(
    check: &CheckContext,
) -> CheckResult {
    const ROUNDS: usize = 8;
    let racers = check.executor().workers().clamp(2, 8);
    let fresh: Arc<Vec<&'static ContextVar<usize>>> = Arc::new(
        (0..ROUNDS)
            .map(|_| &*Box::leak(Box::new(ContextVar::new("raced"))))
            .collect(),
    );
    let arrived: Arc<Vec<AtomicUsize>> =
        Arc::new((0..ROUNDS).map(|_| AtomicUsize::new(0)).collect());
    let id = check.id();
    let race = |me: usize| {
        let (fresh, arrived) = (Arc::clone(&fresh), Arc::clone(&arrived));
        check.spawn(async move {
            let mut frames = Vec::new();
            for (var, arrived) in fresh.iter().zip(&*arrived) {
                arrived.fetch_add(1, Ordering::SeqCst);
                if !eventually(|| arrived.load(Ordering::SeqCst) >= racers).await {
                    break;
                }
                // Each task binds it for the first time.
                frames.push(bind(*var, me).frame());
                yield_times(1).await;
                sees(id, "in a task that races with others")?;
            }
            Ok::<_, CheckError>(frames)
        })
    };
    let tasks: Vec<_> = (0..racers).map(race).collect();
    let mut all = Vec::new();
    for task in tasks {
        all.push(check.block_on(task.output())??);
    }
    for (me, frames) in all.iter().enumerate() {
        expect("rounds that all tasks reached", ROUNDS, frames.len(), &[])?;
        for (round, frame) in frames.iter().enumerate() {
            let bound = frame.run(|| fresh.iter().map(|var| var.get()).collect::<Vec<_>>());
            let expected = (0..ROUNDS)
                .map(|other| (other == round).then_some(me))
                .collect();
            expect(
                "a variable that several tasks used first",
                expected,
                bound,
                &[],
            )?;
        }
    }
    Ok(())
}

pub(crate) fn c11_a_thousand_nested_runs_work(check: &CheckContext) -> CheckResult {
    fn nest(own: &CheckContext, level: u64) -> Result<Spawned<Option<u64>>, CheckError> {
        ID.run(level, || {
            let child = if level == 1_000 {
                own.spawn(async {
                    yield_times(1).await;
                    ID.get()
                })
            } else {
                nest(own, level + 1)?
            };
            sees(Some(level), "at its level of a thousand")?;
            Ok(child)
        })
    }
    let own = check.clone();
    in_task(check, async move {
        let child = nest(&own, 1)?;
        expect(
            "ID in a task that was spawned at the thousandth level",
            Some(1_000),
            child.output().await?,
            &[(None, NOT_CARRIED)],
        )
    })
}

/// An executor that fails here overflows a stack, which aborts the process.
pub(crate) fn c12_a_long_chain_of_frames_ends_without_using_up_the_stack(
    check: &CheckContext,
) -> CheckResult {
    static LINK: ContextVar<Frame> = ContextVar::new("link");
    let (token, tracker) = DropTracker::new();
    let chain = bind(&KEPT, token).frame();
    let chain = (0..100_000).fold(chain, |last, _| bind(&LINK, last).frame());
    let task = bind(&LINK, chain).run(|| {
        check.spawn(async {
            yield_times(1).await;
            LINK.is_bound()
        })
    });
    ensure(
        check.block_on(task.output())?,
        "a task sees the chain that it holds",
        "it does not",
        NOT_CARRIED,
    )?;
    check.eventually("the chain ends with the task, its only holder", || {
        tracker.is_dropped()
    })
}

/// Variables of both kinds: one whose value is stored in the frame itself, and one whose value has
/// a reference count.
struct Pair {
    plain: ContextVar<u64>,
    counted: ContextVar<String>,
}

impl Pair {
    fn bind(&'static self, value: u64) -> Frame {
        let frame = bind(&self.plain, value).frame();
        frame.run(|| bind(&self.counted, value.to_string()).frame())
    }

    fn get(&'static self) -> (Option<u64>, Option<u64>) {
        let counted = self
            .counted
            .with(|value| value.and_then(|value| value.parse().ok()));
        (self.plain.get(), counted)
    }
}

/// A thousand variables, made once per process.
fn pairs() -> &'static [Pair] {
    static PAIRS: OnceLock<Vec<Pair>> = OnceLock::new();
    PAIRS.get_or_init(|| {
        let pair = |_| Pair {
            plain: ContextVar::new("plain"),
            counted: ContextVar::new("counted"),
        };
        (0..500).map(pair).collect()
    })
}

fn are_bound(count: usize, rebound: Option<usize>) -> CheckResult {
    for (index, pair) in pairs().iter().enumerate() {
        let value = match index {
            _ if Some(index) == rebound => Some(5_000),
            _ => (index < count).then_some(index as u64),
        };
        let seen = pair.get();
        if seen != (value, value) {
            let cause = if seen == (None, None) {
                NOT_CARRIED
            } else {
                LEFT_BEHIND
            };
            let what = format!("pair {index} of {count} that are bound: {value:?}");
            return fails(&what, format!("{seen:?}"), cause);
        }
    }
    Ok(())
}

pub(crate) fn c13_correct_at_each_size(check: &CheckContext) -> CheckResult {
    let id = check.id();
    let mut frame = Frame::current();
    let mut tasks = Vec::new();
    for (index, pair) in pairs().iter().enumerate() {
        frame = frame.run(|| pair.bind(index as u64));
        let count = index + 1;
        // Two variables per pair, and some are bound already, so these are all sizes around 8, 64
        // and 128.
        if count > 70 && count < 500 {
            continue;
        }
        tasks.push(frame.run(|| {
            check.spawn(async move {
                sees(id, "beside many other variables")?;
                are_bound(count, None)?;
                for changed in [0, count / 2, count - 1] {
                    let rebound = pairs()[changed].bind(5_000);
                    rebound
                        .scope(async {
                            yield_times(1).await;
                            sees(id, "beside many other variables, one of them rebound")?;
                            are_bound(count, Some(changed))
                        })
                        .await?;
                }
                yield_times(1).await;
                are_bound(count, None)
            })
        }));
    }
    drop(frame);
    check.block_on(async {
        for task in tasks {
            task.output().await??;
        }
        Ok(())
    })
}

pub(crate) fn c14_get_and_run_work_inside_of_with(check: &CheckContext) -> CheckResult {
    let own = check.clone();
    TEXT.run("outer".to_owned(), || {
        in_task(check, async move {
            let child = TEXT.with(|outer| {
                let Some(outer) = outer else {
                    return fails("TEXT in a task: outer", "None", NOT_CARRIED).map(|()| None);
                };
                expect("get inside of with", Some(outer), TEXT.get().as_ref(), &[])?;
                let child = TEXT.run("inner".to_owned(), || {
                    TEXT.with(|inner| {
                        expect(
                            "with inside of run inside of with",
                            Some("inner"),
                            inner.map(String::as_str),
                            &[],
                        )?;
                        Ok(own.spawn(async {
                            yield_times(1).await;
                            TEXT.get()
                        }))
                    })
                });
                expect(
                    "what with gave, after run inside of it",
                    "outer",
                    outer.as_str(),
                    &[],
                )?;
                child.map(Some)
            })?;
            let seen = match child {
                Some(child) => child.output().await?,
                None => None,
            };
            expect(
                "TEXT in a task that was spawned inside of with, inside of run",
                Some("inner".to_owned()),
                seen,
                &[(
                    Some("outer".to_owned()),
                    "the frame is not captured in spawn",
                )],
            )?;
            expect(
                "TEXT after an await",
                Some("outer".to_owned()),
                TEXT.get(),
                &[],
            )
        })
    })
}
