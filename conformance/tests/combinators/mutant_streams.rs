//! Mutants: stream adapters with one seeded fault each.

use std::task::Poll;
use std::thread;

use framewise_conformance::BoxStream;
use framewise_conformance::context::{Frame, catch_unwind};
use futures::channel::mpsc;
use futures::executor::block_on;
use futures::stream::{self, StreamExt};

pub(crate) type Adapt = fn(BoxStream<'static, u64>) -> BoxStream<'static, u64>;

/// Polls the source on a separate thread, without a frame, starting at the first poll.
pub(crate) fn polls_elsewhere(source: BoxStream<'static, u64>) -> BoxStream<'static, u64> {
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

/// Polls and drops the source in the frame in which the adapter was made.
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

/// Catches a panic of the source, ends, and drops the source in the panic's frame.
pub(crate) fn goes_on_in_panic(source: BoxStream<'static, u64>) -> BoxStream<'static, u64> {
    let mut source = Some(source);
    Box::pin(stream::poll_fn(move |cx| {
        let Some(live) = &mut source else {
            return Poll::Ready(None);
        };
        match catch_unwind(|| live.poll_next_unpin(cx)) {
            Ok(polled) => polled,
            Err(caught) => {
                let ended = source.take();
                caught.frame().run(|| drop(ended));
                Poll::Ready(None)
            }
        }
    }))
}

/// Drops the source on a separate thread, in order not to wait for its destructor.
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

/// Drops a source that was not polled in the frame in which the adapter was made.
pub(crate) fn drops_where_made(source: BoxStream<'static, u64>) -> BoxStream<'static, u64> {
    struct Unpolled {
        source: Option<BoxStream<'static, u64>>,
        made: Frame,
        is_polled: bool,
    }
    impl Drop for Unpolled {
        fn drop(&mut self) {
            let source = self.source.take();
            if !self.is_polled {
                self.made.run(|| drop(source));
            }
        }
    }
    let mut unpolled = Unpolled {
        source: Some(source),
        made: Frame::current(),
        is_polled: false,
    };
    Box::pin(stream::poll_fn(move |cx| {
        let unpolled = &mut unpolled;
        unpolled.is_polled = true;
        match &mut unpolled.source {
            Some(source) => source.poll_next_unpin(cx),
            None => Poll::Ready(None),
        }
    }))
}
