//! Stream adapters that are broken on purpose, each in one way.

use std::task::Poll;
use std::thread;

use framewise_conformance::BoxStream;
use framewise_conformance::context::{Frame, catch_unwind};
use futures::channel::mpsc;
use futures::executor::block_on;
use futures::stream::{self, StreamExt};

pub(crate) type Adapt = fn(BoxStream<'static, u64>) -> BoxStream<'static, u64>;

/// Asks the source on a thread of its own, from the first poll on, without a frame.
pub(crate) fn asks_elsewhere(source: BoxStream<'static, u64>) -> BoxStream<'static, u64> {
    let mut source = Some(source);
    let mut items: Option<mpsc::UnboundedReceiver<u64>> = None;
    Box::pin(stream::poll_fn(move |cx| {
        if let Some(mut source) = source.take() {
            let (sender, receiver) = mpsc::unbounded();
            items = Some(receiver);
            thread::spawn(move || {
                block_on(async {
                    while let Some(item) = source.next().await {
                        // The consumer may be gone.
                        let _ = sender.unbounded_send(item);
                    }
                });
            });
        }
        items
            .as_mut()
            .map_or(Poll::Ready(None), |items| items.poll_next_unpin(cx))
    }))
}

/// Asks and drops the source in the frame in which the adapter was made.
pub(crate) fn keeps_its_frame(source: BoxStream<'static, u64>) -> BoxStream<'static, u64> {
    Box::pin(Frame::current().scope_stream(source))
}

/// Captures a frame at the first poll, and keeps it for the others.
pub(crate) fn keeps_first_poll(mut source: BoxStream<'static, u64>) -> BoxStream<'static, u64> {
    let mut first = None;
    Box::pin(stream::poll_fn(move |cx| {
        let frame = first.get_or_insert_with(Frame::current);
        frame.run(|| source.poll_next_unpin(cx))
    }))
}

/// Keeps a panic of the source to itself, ends, and lets the source go in the panic's frame.
pub(crate) fn goes_on_in_panic(source: BoxStream<'static, u64>) -> BoxStream<'static, u64> {
    let mut source = Some(source);
    Box::pin(stream::poll_fn(move |cx| {
        let Some(asked) = &mut source else {
            return Poll::Ready(None);
        };
        match catch_unwind(|| asked.poll_next_unpin(cx)) {
            Ok(polled) => polled,
            Err(caught) => {
                let asked = source.take();
                caught.frame().run(|| drop(asked));
                Poll::Ready(None)
            }
        }
    }))
}

/// Drops the source on a thread of its own, so as not to wait for it.
pub(crate) fn drops_elsewhere(source: BoxStream<'static, u64>) -> BoxStream<'static, u64> {
    struct Elsewhere(Option<BoxStream<'static, u64>>);
    impl Drop for Elsewhere {
        fn drop(&mut self) {
            let source = self.0.take();
            // Joined, so that the test sees what happens.
            thread::spawn(|| drop(source))
                .join()
                .expect("a source can be dropped");
        }
    }
    let mut source = Elsewhere(Some(source));
    Box::pin(stream::poll_fn(move |cx| match &mut source.0 {
        Some(source) => source.poll_next_unpin(cx),
        None => Poll::Ready(None),
    }))
}

/// Drops a source that was not asked in the frame in which the adapter was made.
pub(crate) fn drops_where_made(source: BoxStream<'static, u64>) -> BoxStream<'static, u64> {
    struct Unasked {
        source: Option<BoxStream<'static, u64>>,
        made: Frame,
        is_asked: bool,
    }
    impl Drop for Unasked {
        fn drop(&mut self) {
            let source = self.source.take();
            if !self.is_asked {
                self.made.run(|| drop(source));
            }
        }
    }
    let mut unasked = Unasked {
        source: Some(source),
        made: Frame::current(),
        is_asked: false,
    };
    Box::pin(stream::poll_fn(move |cx| {
        let unasked = &mut unasked;
        unasked.is_asked = true;
        match &mut unasked.source {
            Some(source) => source.poll_next_unpin(cx),
            None => Poll::Ready(None),
        }
    }))
}
