//! The suite for combinators, which poll several futures as one.

use std::future::Future;
use std::sync::Arc;

use crate::executor::{BoxFuture, LocalBoxFuture};
use crate::runner::{Check, Suite};
use crate::start_frame::StartFrame;
use crate::support::block_on_thread;

/// A child of a combinator: a future that the suite makes.
pub type Child = BoxFuture<'static, ()>;

/// A combinator under test. Its futures are lazy: they poll their children only when polled.
pub trait Combinator: Send + Sync + 'static {
    /// Returns a future that is ready when all children are.
    fn join_all(&self, children: Vec<Child>) -> BoxFuture<'static, ()>;

    /// Like [`join_all`](Self::join_all), with at most `limit` children polled at the same time.
    fn join_all_with_limit(
        &self,
        _limit: usize,
        _children: Vec<Child>,
    ) -> Option<BoxFuture<'static, ()>> {
        None
    }

    /// Returns a future that is ready when the first child is. The other children are dropped, at
    /// the latest with the future.
    fn race(&self, _children: Vec<Child>) -> Option<BoxFuture<'static, ()>> {
        None
    }

    /// Returns two futures that are both ready when `child` is.
    fn share(&self, _child: Child) -> Option<[BoxFuture<'static, ()>; 2]> {
        None
    }

    /// Runs `future` on this thread. To be overridden if the combinator's futures need an executor.
    fn block_on(&self, future: LocalBoxFuture<'_, ()>) {
        block_on_thread(future);
    }
}

/// The combinator under test and the starting frame of a check.
pub(crate) struct CombinatorCheckContext {
    combinator: Arc<dyn Combinator>,
    start: StartFrame,
}

impl CombinatorCheckContext {
    /// Returns the combinator.
    pub(crate) fn combinator(&self) -> &dyn Combinator {
        &*self.combinator
    }

    /// Returns the value of the variable `ID` when the check starts.
    pub(crate) fn id(&self) -> Option<u64> {
        self.start.id()
    }

    /// Runs `future` in an executor that can poll the combinator's futures.
    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        let mut output = None;
        self.combinator.block_on(Box::pin(async {
            output = Some(future.await);
        }));
        output.expect("block_on returned before its future was ready")
    }
}

impl Suite {
    /// Makes the suite for a combinator.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise_conformance::{BoxFuture, Child, Combinator, Suite};
    /// use futures::future::join_all;
    ///
    /// struct JoinAll;
    ///
    /// impl Combinator for JoinAll {
    ///     fn join_all(&self, children: Vec<Child>) -> BoxFuture<'static, ()> {
    ///         Box::pin(async { drop(join_all(children).await) })
    ///     }
    /// }
    ///
    /// Suite::combinator("join_all", JoinAll).run().assert_conformant();
    /// ```
    #[allow(
        clippy::vec_init_then_push,
        reason = "each chapter's macro pushes its own"
    )]
    pub fn combinator(subject: impl Into<String>, combinator: impl Combinator) -> Self {
        let combinator: Arc<dyn Combinator> = Arc::new(combinator);
        let mut checks: Vec<Check<CombinatorCheckContext>> = Vec::new();
        crate::__polling_checks!({ crate::__collect }(checks));
        Self::new(subject.into(), checks, move |start| {
            CombinatorCheckContext {
                combinator: Arc::clone(&combinator),
                start,
            }
        })
    }
}

/// Makes an ordinary `#[test]` of each check of the suite for combinators.
#[macro_export]
macro_rules! combinator_tests {
    ($make:expr) => {
        $crate::__polling_checks!({ $crate::__combinator_chapter_tests }($make));
    };
}

/// Makes a module of tests from the checks for combinators.
#[doc(hidden)]
#[macro_export]
macro_rules! __combinator_chapter_tests {
    (($make:expr) $chapter:ident: $($name:ident)*) => {
        mod $chapter {
            #[allow(unused_imports, reason = "the expression may need none of them")]
            use super::*;
            $(
                #[test]
                fn $name() {
                    $crate::Suite::combinator(stringify!($make), $make)
                        .only_check(stringify!($name))
                        .run_as_test();
                }
            )*
        }
    };
}
