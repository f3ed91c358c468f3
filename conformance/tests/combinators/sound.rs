//! Combinators and stream adapters of futures and tokio.

use framewise_conformance::context::Frame;
use framewise_conformance::{BoxFuture, BoxStream, Child, Combinator, LocalBoxFuture};
use futures::future::{self, FutureExt};
use futures::stream::{self, FuturesUnordered, StreamExt};

/// futures' `join_all`, `select_all`, `Shared` and `buffer_unordered`.
pub(crate) struct JoinAll;

impl Combinator for JoinAll {
    fn join_all(&self, children: Vec<Child>) -> BoxFuture<'static, ()> {
        future::join_all(children).map(drop).boxed()
    }

    fn join_all_with_limit(
        &self,
        limit: usize,
        children: Vec<Child>,
    ) -> Option<BoxFuture<'static, ()>> {
        let children = stream::iter(children).buffer_unordered(limit);
        Some(children.collect::<()>().boxed())
    }

    fn race(&self, children: Vec<Child>) -> Option<BoxFuture<'static, ()>> {
        Some(future::select_all(children).map(drop).boxed())
    }

    fn share(&self, child: Child) -> Option<[BoxFuture<'static, ()>; 2]> {
        let shared = child.shared();
        Some([shared.clone().boxed(), shared.boxed()])
    }
}

/// futures' `FuturesUnordered` and `for_each_concurrent`.
pub(crate) struct Unordered;

impl Combinator for Unordered {
    fn join_all(&self, children: Vec<Child>) -> BoxFuture<'static, ()> {
        let children: FuturesUnordered<_> = children.into_iter().collect();
        children.collect::<()>().boxed()
    }

    fn join_all_with_limit(
        &self,
        limit: usize,
        children: Vec<Child>,
    ) -> Option<BoxFuture<'static, ()>> {
        let children = stream::iter(children);
        Some(children.for_each_concurrent(limit, |child| child).boxed())
    }

    fn race(&self, children: Vec<Child>) -> Option<BoxFuture<'static, ()>> {
        let mut children: FuturesUnordered<_> = children.into_iter().collect();
        Some(Box::pin(async move {
            children.next().await;
        }))
    }
}

/// tokio's `JoinSet`, with the wrapping that its users would write.
pub(crate) struct JoinSet(tokio::runtime::Runtime);

impl JoinSet {
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        Self(runtime.expect("a runtime can be started"))
    }
}

impl Combinator for JoinSet {
    fn join_all(&self, children: Vec<Child>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let mut set = tokio::task::JoinSet::new();
            for child in children {
                set.spawn(Frame::current().inherited().scope(child));
            }
            while set.join_next().await.is_some() {}
        })
    }

    fn block_on(&self, future: LocalBoxFuture<'_, ()>) {
        self.0.block_on(future);
    }
}

pub(crate) fn map(source: BoxStream<'static, u64>) -> BoxStream<'static, u64> {
    source.map(|number| number + 1).boxed()
}

pub(crate) fn buffered(source: BoxStream<'static, u64>) -> BoxStream<'static, u64> {
    source.map(future::ready).buffered(3).boxed()
}

pub(crate) fn chunks(source: BoxStream<'static, u64>) -> BoxStream<'static, u64> {
    source.chunks(3).flat_map(stream::iter).boxed()
}

pub(crate) fn peekable(source: BoxStream<'static, u64>) -> BoxStream<'static, u64> {
    source
        .filter(|number| future::ready(number % 2 == 0))
        .peekable()
        .boxed()
}
