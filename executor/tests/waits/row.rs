//! A row of the table: a wait, which each executor runs to its end and drops before it.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use framewise::Frame;
use framewise::context::bind;
use framewise::runtime::Runtime;
use framewise::task::LocalSet;
use futures::StreamExt;
use futures::stream::FuturesUnordered;

use framewise_test_support::{HangWatch, KEPT, everywhere};

pub(crate) const SHORT: Duration = Duration::from_millis(1);

pub(crate) type Wait = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The wait of a row, for one use.
pub(crate) struct Made {
    pub(crate) wait: Wait,
    /// Completes the wait. Called after the first poll.
    pub(crate) then: Box<dyn FnOnce() + Send>,
    /// Kept alive beyond the wait.
    pub(crate) _rest: Box<dyn Any + Send>,
}

pub(crate) fn made(
    wait: impl Future<Output = ()> + Send + 'static,
    then: impl FnOnce() + Send + 'static,
    rest: impl Any + Send,
) -> Made {
    Made {
        wait: Box::pin(wait),
        then: Box::new(then),
        _rest: Box::new(rest),
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    Finished,
    Dropped,
}

/// The wait as the executor polls it. It is polled again only after a wake.
pub(crate) struct Ends {
    pub(crate) wait: Option<Wait>,
    pub(crate) then: Option<Box<dyn FnOnce() + Send>>,
    pub(crate) end: End,
}

impl Future for Ends {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        assert!(KEPT.is_bound());
        let polled = self.wait.as_mut().unwrap().as_mut().poll(cx);
        if self.end == End::Dropped {
            self.wait = None;
            return Poll::Ready(());
        }
        if polled.is_pending()
            && let Some(then) = self.then.take()
        {
            then();
        }
        polled
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Executor {
    BlockOn,
    BlockOnScope,
    LocalSet,
    LocalScope,
    Task,
    TaskScope,
    UnorderedInBlockOn,
    UnorderedInLocalSet,
    UnorderedInTask,
}

impl Executor {
    pub(crate) const ALL: [Self; 9] = [
        Self::BlockOn,
        Self::BlockOnScope,
        Self::LocalSet,
        Self::LocalScope,
        Self::Task,
        Self::TaskScope,
        Self::UnorderedInBlockOn,
        Self::UnorderedInLocalSet,
        Self::UnorderedInTask,
    ];

    /// Returns `true` if the executor's wakers are external ones, so that they need the frame.
    fn has_external_wakers(self) -> bool {
        matches!(
            self,
            Self::UnorderedInBlockOn | Self::UnorderedInLocalSet | Self::UnorderedInTask
        )
    }

    /// Runs the wait in the frame, and returns the parts of the executor that outlive it.
    pub(crate) fn run(self, runtime: &Runtime, frame: Frame, ends: Ends) -> Box<dyn Any> {
        match self {
            Self::BlockOn => {
                frame.run(|| runtime.block_on(ends));
                Box::new(())
            }
            Self::BlockOnScope => {
                runtime.block_on(frame.scope(ends));
                Box::new(())
            }
            Self::LocalSet => {
                let set = LocalSet::new();
                let task = frame.run(|| set.spawn_local(ends));
                drop(frame);
                set.block_on(runtime, task).unwrap();
                Box::new(set)
            }
            Self::LocalScope => {
                let set = LocalSet::new();
                set.block_on(runtime, frame.scope(ends));
                Box::new(set)
            }
            Self::Task => {
                let task = frame.run(|| runtime.spawn(ends));
                drop(frame);
                runtime.block_on(task).unwrap();
                Box::new(())
            }
            Self::TaskScope => {
                let task = runtime.spawn(frame.scope(ends));
                runtime.block_on(task).unwrap();
                Box::new(())
            }
            Self::UnorderedInBlockOn => {
                let mut unordered = FuturesUnordered::from_iter([frame.scope(ends)]);
                runtime.block_on(unordered.next()).unwrap();
                Box::new(unordered)
            }
            Self::UnorderedInLocalSet => {
                let mut unordered = FuturesUnordered::from_iter([frame.scope(ends)]);
                let set = LocalSet::new();
                let task = set.spawn_local(async move {
                    unordered.next().await.unwrap();
                    unordered
                });
                Box::new((set.block_on(runtime, task).unwrap(), set))
            }
            Self::UnorderedInTask => {
                let mut unordered = FuturesUnordered::from_iter([frame.scope(ends)]);
                let task = runtime.spawn(async move {
                    unordered.next().await.unwrap();
                    unordered
                });
                Box::new(runtime.block_on(task).unwrap())
            }
        }
    }
}

/// The state that a dropped wait may leave for an external waker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Leaves {
    Nothing,
    /// A poll function's slot in its stream or listener, at most until that is dropped.
    Slot,
}

/// Waits until only one reference is left, for references that another thread is about to release.
/// The row's watchdog reports a hang.
pub(crate) fn wait_until_released(kept: &Arc<()>) {
    while Arc::strong_count(kept) > 1 {
        std::thread::yield_now();
    }
}

/// Runs a row in each executor, with both ends.
#[track_caller]
pub(crate) fn row(name: &str, leaves: Leaves, make: impl Fn(&Runtime, End) -> Made) {
    everywhere(|runtime, _| {
        for executor in Executor::ALL {
            for end in [End::Finished, End::Dropped] {
                let what = format!("{name}, {end:?}, {executor:?}");
                let _watch = HangWatch::new(what.clone());
                let Made { wait, then, _rest } = make(runtime, end);
                let kept = Arc::new(());
                let frame = bind(&KEPT, Arc::clone(&kept)).frame();
                let ends = Ends {
                    wait: Some(wait),
                    then: Some(then),
                    end,
                };
                let executor_rest = executor.run(runtime, frame, ends);
                if end == End::Dropped && executor.has_external_wakers() && leaves == Leaves::Slot {
                    drop(_rest);
                    wait_until_released(&kept);
                } else if executor.has_external_wakers() {
                    // The thread that called the external waker releases the frame right after the
                    // call, while the wait may already have ended on another thread.
                    wait_until_released(&kept);
                } else {
                    assert_eq!(Arc::strong_count(&kept), 1, "{what}");
                }
                drop(executor_rest);
            }
        }
    });
}
