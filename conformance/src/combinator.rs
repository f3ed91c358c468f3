//! What the suite asks of a combinator: something that polls several futures as one.

use std::future::Future;
use std::sync::Arc;

use crate::executor::{BoxFuture, LocalBoxFuture};
use crate::probe::block_on_thread;
use crate::runner::{Check, Suite};
use crate::start_frame::StartFrame;

/// A child of a combinator: a future that the suite makes.
pub type Child = BoxFuture<'static, ()>;

/// A combinator under test. What it makes is lazy: nothing is polled until it is.
pub trait Combinator: Send + Sync + 'static {
    /// Is ready when all children are.
    fn join_all(&self, children: Vec<Child>) -> BoxFuture<'static, ()>;

    /// As [`join_all`](Self::join_all), with no more than `limit` children polled at the same time.
    fn join_all_with_limit(
        &self,
        _limit: usize,
        _children: Vec<Child>,
    ) -> Option<BoxFuture<'static, ()>> {
        None
    }

    /// Is ready when the first child is; the others are dropped, at the latest with it.
    fn race(&self, _children: Vec<Child>) -> Option<BoxFuture<'static, ()>> {
        None
    }

    /// Two futures that are both ready when `child` is.
    fn share(&self, _child: Child) -> Option<[BoxFuture<'static, ()>; 2]> {
        None
    }

    /// Runs `future` on this thread, where what the combinator makes needs an executor around it.
    fn block_on(&self, future: LocalBoxFuture<'_, ()>) {
        block_on_thread(future);
    }
}

/// What a check of a combinator is given.
pub(crate) struct CombinatorCheckContext {
    combinator: Arc<dyn Combinator>,
    start: StartFrame,
}

impl CombinatorCheckContext {
    /// The combinator.
    pub(crate) fn combinator(&self) -> &dyn Combinator {
        &*self.combinator
    }

    /// What the variable `ID` is where the check starts.
    pub(crate) fn id(&self) -> Option<u64> {
        self.start.id()
    }

    /// Runs `future` where what the combinator makes can be polled.
    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        let mut output = None;
        self.combinator.block_on(Box::pin(async {
            output = Some(future.await);
        }));
        output.expect("block_on returned before its future was ready")
    }
}

impl Suite {
    /// The suite for a combinator.
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
