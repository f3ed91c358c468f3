//! The suite for stream adapters: functions from a stream to a stream.

use std::sync::Arc;

use crate::executor::BoxStream;
use crate::runner::{Check, Suite};
use crate::start_frame::StartFrame;

/// A stream adapter: it may change items, leave some out, and poll ahead.
type Adapt = dyn Fn(BoxStream<'static, u64>) -> BoxStream<'static, u64> + Send + Sync;

/// The stream adapter under test and the starting frame of a check.
pub(crate) struct StreamCheckContext {
    adapt: Arc<Adapt>,
    start: StartFrame,
}

impl StreamCheckContext {
    /// Applies the adapter to `source`.
    pub(crate) fn adapt(
        &self,
        source: impl futures_core::Stream<Item = u64> + Send + 'static,
    ) -> BoxStream<'static, u64> {
        (self.adapt)(Box::pin(source))
    }

    /// Returns the value of the variable `ID` when the check starts.
    pub(crate) fn id(&self) -> Option<u64> {
        self.start.id()
    }
}

impl Suite {
    /// Makes the suite for a stream adapter, a function from a stream to a stream.
    ///
    /// The suite's own streams end after some items. The adapter's stream must end then, too.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise_conformance::{BoxStream, Suite};
    /// use futures::StreamExt;
    ///
    /// fn skip_one(source: BoxStream<'static, u64>) -> BoxStream<'static, u64> {
    ///     Box::pin(source.skip(1))
    /// }
    ///
    /// Suite::stream("skip", skip_one).run().assert_conformant();
    /// ```
    #[allow(
        clippy::vec_init_then_push,
        reason = "each chapter's macro pushes its own"
    )]
    pub fn stream(
        subject: impl Into<String>,
        adapt: impl Fn(BoxStream<'static, u64>) -> BoxStream<'static, u64> + Send + Sync + 'static,
    ) -> Self {
        let adapt: Arc<Adapt> = Arc::new(adapt);
        let mut checks: Vec<Check<StreamCheckContext>> = Vec::new();
        crate::__flowing_checks!({ crate::__collect }(checks));
        Self::new(subject.into(), checks, move |start| StreamCheckContext {
            adapt: Arc::clone(&adapt),
            start,
        })
    }
}

/// Makes an ordinary `#[test]` of each check of the suite for stream adapters.
#[macro_export]
macro_rules! stream_tests {
    ($adapt:expr) => {
        $crate::__flowing_checks!({ $crate::__stream_chapter_tests }($adapt));
    };
}

/// Makes a module of tests from the checks for stream adapters.
#[doc(hidden)]
#[macro_export]
macro_rules! __stream_chapter_tests {
    (($adapt:expr) $chapter:ident: $($name:ident)*) => {
        mod $chapter {
            #[allow(unused_imports, reason = "the expression may need none of them")]
            use super::*;
            $(
                #[test]
                fn $name() {
                    $crate::Suite::stream(stringify!($adapt), $adapt)
                        .only_check(stringify!($name))
                        .run_as_test();
                }
            )*
        }
    };
}
