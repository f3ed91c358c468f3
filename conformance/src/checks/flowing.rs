//! The checks of the suite for stream adapters: in which frames the source is polled and dropped,
//! and what the consumer sees.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use framewise_context::{Frame, bind};
use futures::FutureExt;
use futures::stream::{self, StreamExt};
use futures_core::Stream;

use super::within::sees;
use crate::check_result::{CheckError, CheckResult, ensure, expect};
use crate::executor::BoxStream;
use crate::stream::StreamCheckContext;
use crate::support::{ID, OTHER, block_on_thread, deliberate_panic, yield_times};

/// The checks of this suite.
#[doc(hidden)]
#[macro_export]
macro_rules! __flowing_checks {
    ({ $($callback:tt)* } $arguments:tt) => {
        $($callback)*! { $arguments flowing:
            c66_a_source_sees_its_consumers_frame
            c66_a_source_follows_from_consumer_to_consumer
            c70_a_scope_an_item_of_the_source
            c71_a_started_scope_keeps_its_variable_under_another_consumer
            c72_a_scoped_source_and_its_consumer
            c72_a_scope_around_the_adapter
            c74_pending_and_ready_restore
            c74_a_sources_panic_restores
            c75_a_source_without_a_poll_is_dropped_in_its_scope
        }
    };
}

/// The likely cause where the source is not polled in the adapter's poll.
const ELSEWHERE: &str = "the source is polled elsewhere, without the consumer's frame: poll it \
                         where the adapter is polled, or carry Frame::current() to there";

/// The likely cause where a captured frame is kept.
const KEPT: &str = "a frame is captured and kept: poll the source in the current frame";

/// The likely cause where a frame is not left.
const LEFT_BEHIND: &str = "the source's scope is left behind: restore what was there before on \
                           each way out of a poll";

/// The number of items of a source.
const ITEMS: u64 = 12;

/// Both variables, each time that a source was polled, and then where it was dropped.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<Both>>>);

type Both = (Option<u64>, Option<u64>);

impl Seen {
    fn record(&self) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.push((ID.get(), OTHER.get()));
    }

    fn taken(&self) -> Vec<Both> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Checks that something was seen, and that every entry is `expected`.
    fn all_are(&self, what: &str, right: Both) -> CheckResult {
        let seen = self.taken();
        ensure(
            !seen.is_empty(),
            what,
            "the source was not polled or not dropped",
            ELSEWHERE,
        )?;
        let Some(wrong) = seen.into_iter().find(|seen| *seen != right) else {
            return Ok(());
        };
        let differs = if wrong.0 == right.0 { wrong.1 } else { wrong.0 };
        let cause = match differs {
            None => ELSEWHERE,
            Some(21 | 29) => LEFT_BEHIND,
            Some(_) => KEPT,
        };
        expect(what, right, wrong, &[(wrong, cause)])
    }
}

/// A stream of numbers that is pending before each. It may panic instead of giving one.
struct Source {
    seen: Seen,
    polled: u64,
    panics: bool,
}

impl Source {
    fn new(seen: &Seen) -> Self {
        Self {
            seen: seen.clone(),
            polled: 0,
            panics: false,
        }
    }
}

impl Stream for Source {
    type Item = u64;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<u64>> {
        self.seen.record();
        self.polled += 1;
        if !self.polled.is_multiple_of(2) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.panics && self.polled > 3 {
            ID.run(29, || deliberate_panic());
        }
        let number = self.polled / 2;
        Poll::Ready((number <= ITEMS).then_some(number))
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.seen.record();
    }
}

/// Polls once for the next item.
async fn polled(stream: &mut BoxStream<'static, u64>) -> Poll<Option<u64>> {
    std::future::poll_fn(|cx| Poll::Ready(stream.as_mut().poll_next(cx))).await
}

/// Takes all items, then drops the stream.
async fn consume(mut stream: BoxStream<'static, u64>) {
    while stream.next().await.is_some() {}
}

pub(crate) fn c66_a_source_sees_its_consumers_frame(check: &StreamCheckContext) -> CheckResult {
    let seen = Seen::default();
    let adapted = ID.run(9, || {
        let source = Source::new(&seen);
        ID.run(10, || check.adapt(source))
    });
    ensure(
        seen.taken().is_empty(),
        "a stream is lazy",
        "it is polled when it is adapted",
        "",
    )?;
    block_on_thread(ID.scope(11, consume(adapted)));
    let what = "ID in a source, consumed under 11, and another variable";
    seen.all_are(what, (Some(11), None))?;
    block_on_thread(consume(check.adapt(Source::new(&seen))));
    let what = "ID in a source, consumed where the check starts, and another variable";
    seen.all_are(what, (check.id(), None))
}

pub(crate) fn c66_a_source_follows_from_consumer_to_consumer(
    check: &StreamCheckContext,
) -> CheckResult {
    let seen = Seen::default();
    let mut adapted = check.adapt(Source::new(&seen));
    for consumer in [11, 12] {
        // Until the source is polled: the adapter may have buffered items.
        let polled = block_on_thread(ID.scope(consumer, async {
            for _ in 0..ITEMS {
                let ends = polled(&mut adapted).await == Poll::Ready(None);
                if ends
                    || !seen
                        .0
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .is_empty()
                {
                    break;
                }
                yield_times(1).await;
            }
            seen.taken()
        }));
        ensure(
            !polled.is_empty(),
            "each consumer polls the source",
            "it is not polled",
            ELSEWHERE,
        )?;
        let right = (Some(consumer), None);
        let wrong = polled.into_iter().find(|seen| *seen != right);
        let what = format!("ID in a source that is consumed under {consumer}");
        let causes = [((None, None), ELSEWHERE), ((Some(11), None), KEPT)];
        expect(&what, right, wrong.unwrap_or(right), &causes)?;
    }
    ID.run(13, || drop(adapted));
    let what = "ID in a source that is dropped under 13";
    seen.all_are(what, (Some(13), None))
}

pub(crate) fn c70_a_scope_an_item_of_the_source(check: &StreamCheckContext) -> CheckResult {
    let wrong = Arc::new(Mutex::new(Vec::new()));
    let records = Arc::clone(&wrong);
    let work = move |number: u64, right| {
        let records = Arc::clone(&records);
        async move {
            for _ in 0..=number % 3 {
                if ID.get() != Some(right) {
                    let mut records = records.lock().unwrap_or_else(PoisonError::into_inner);
                    records.push((right, ID.get()));
                }
                yield_times(1).await;
            }
            number
        }
    };
    // Every second item has a scope.
    let item = move |number: u64| {
        if number.is_multiple_of(2) {
            ID.scope(number, work(number, number)).left_future()
        } else {
            work(number, 11).right_future()
        }
    };
    let items = stream::iter(20..20 + ITEMS).map(item).buffer_unordered(4);
    let mut adapted = check.adapt(items);
    block_on_thread(ID.scope(11, async {
        while adapted.next().await.is_some() {
            sees(
                Some(11),
                "in the consumer of a stream whose items have scopes",
            )?;
        }
        Ok::<_, CheckError>(())
    }))?;
    let wrong = wrong.lock().unwrap_or_else(PoisonError::into_inner);
    expect(
        "items that do not see their own scope",
        Vec::new(),
        wrong.clone(),
        &[],
    )
}

pub(crate) fn c71_a_started_scope_keeps_its_variable_under_another_consumer(
    check: &StreamCheckContext,
) -> CheckResult {
    let seen = Seen::default();
    let mut adapted = check.adapt(ID.scope_stream(21, Source::new(&seen)));
    for other in [40, 41] {
        block_on_thread(OTHER.scope(other, async {
            let _ = polled(&mut adapted).await;
        }));
        let what = format!("a source's own variable, and its consumer's, {other}");
        seen.all_are(&what, (Some(21), Some(other)))?;
    }
    OTHER.run(42, || drop(adapted));
    let what = "a source's own variable, and its dropper's variable, 42";
    seen.all_are(what, (Some(21), Some(42)))
}

pub(crate) fn c72_a_scoped_source_and_its_consumer(check: &StreamCheckContext) -> CheckResult {
    let seen = Seen::default();
    let mut adapted = check.adapt(ID.scope_stream(21, Source::new(&seen)));
    let consumer = bind(&ID, 11).and(&OTHER, 40);
    block_on_thread(consumer.scope(async {
        while adapted.next().await.is_some() {
            let now = ID.get();
            let causes = [(Some(21), LEFT_BEHIND), (None, LEFT_BEHIND)];
            expect("ID in the consumer between items", Some(11), now, &causes)?;
            yield_times(1).await;
        }
        drop(adapted);
        sees(Some(11), "in the consumer at the end")
    }))?;
    let what = "a source's own variable and its consumer's, at each poll and where it is dropped";
    seen.all_are(what, (Some(21), Some(40)))
}

pub(crate) fn c72_a_scope_around_the_adapter(check: &StreamCheckContext) -> CheckResult {
    let seen = Seen::default();
    let mut scoped = Box::pin(ID.scope_stream(21, check.adapt(Source::new(&seen))));
    block_on_thread(ID.scope(11, async {
        while scoped.next().await.is_some() {
            sees(
                Some(11),
                "in the consumer of a scoped adapter between items",
            )?;
        }
        drop(scoped);
        sees(Some(11), "in the consumer of a scoped adapter at the end")
    }))?;
    let what = "ID in the source of a scoped adapter when it is polled, and when it is dropped";
    seen.all_are(what, (Some(21), None))
}

pub(crate) fn c74_pending_and_ready_restore(check: &StreamCheckContext) -> CheckResult {
    let seen = Seen::default();
    let mut adapted = check.adapt(ID.scope_stream(21, Source::new(&seen)));
    block_on_thread(ID.scope(11, async {
        let frame = Frame::current().id();
        loop {
            let polled = polled(&mut adapted).await;
            let (place, ends) = match polled {
                Poll::Pending => ("after a poll that was pending", false),
                Poll::Ready(Some(_)) => ("after a poll that had an item", false),
                Poll::Ready(None) => ("after the last poll", true),
            };
            sees(Some(11), place)?;
            let same = Frame::current().id() == frame;
            ensure(
                same,
                "the consumer's own frame is current",
                "another",
                LEFT_BEHIND,
            )?;
            if ends {
                return Ok(());
            }
            yield_times(1).await;
        }
    }))
}

pub(crate) fn c74_a_sources_panic_restores(check: &StreamCheckContext) -> CheckResult {
    let seen = Seen::default();
    let mut source = Source::new(&seen);
    source.panics = true;
    let mut adapted = check.adapt(source);
    block_on_thread(ID.scope(11, async {
        // The adapter may let the panic out, or end the stream with it.
        for _ in 0..4 * ITEMS {
            let poll = std::future::poll_fn(|cx| {
                Poll::Ready(catch_unwind(AssertUnwindSafe(|| {
                    adapted.as_mut().poll_next(cx)
                })))
            });
            let polled = poll.await;
            sees(
                Some(11),
                "in the consumer after a poll in which the source may have panicked",
            )?;
            match polled {
                Ok(Poll::Ready(None)) | Err(_) => break,
                Ok(_) => yield_times(1).await,
            }
        }
        // The rest of the adapter may be broken, and panic again.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(adapted)));
        sees(Some(11), "in the consumer after the source has panicked")
    }))?;
    let what = "ID in a source that panics, consumed under 11";
    seen.all_are(what, (Some(11), None))
}

pub(crate) fn c75_a_source_without_a_poll_is_dropped_in_its_scope(
    check: &StreamCheckContext,
) -> CheckResult {
    let seen = Seen::default();
    let adapted = ID.run(10, || check.adapt(ID.scope_stream(21, Source::new(&seen))));
    OTHER.run(40, || drop(adapted));
    let what = "a source's own variable and its dropper's, if it was not polled";
    seen.all_are(what, (Some(21), Some(40)))?;
    let adapted = ID.run(10, || check.adapt(Source::new(&seen)));
    ID.run(11, || drop(adapted));
    let what = "ID where a source that was not polled is dropped by a consumer under 11";
    seen.all_are(what, (Some(11), None))
}
