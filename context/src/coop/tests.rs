//! The budget as a number of the thread: what takes units, what returns them, what is restored.

use std::cell::Cell;
use std::future::{Future, pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures::{FutureExt, StreamExt, stream};

use super::*;
use crate::{ContextVar, Frame};

/// A waker that counts its calls; test-support's is not in the package, and these tests are.
#[derive(Default)]
struct CountingWaker(AtomicUsize);

impl Wake for CountingWaker {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl CountingWaker {
    fn new() -> (Arc<Self>, Waker) {
        let counter = Arc::<Self>::default();
        (Arc::clone(&counter), Waker::from(counter))
    }

    fn wakes(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// Polls `future` once with a full budget; also returns the number of wake-ups meanwhile.
fn poll_as_task<F: Future>(future: Pin<&mut F>) -> (Poll<F::Output>, usize) {
    let (wakes, waker) = CountingWaker::new();
    let polled = with_budget(|| future.poll(&mut Context::from_waker(&waker)));
    (polled, wakes.wakes())
}

/// Counts how many times `operation`'s futures are ready in one poll of a task.
fn ready_in_a_poll<F: Future>(mut operation: impl FnMut() -> F) -> usize {
    let count = Cell::new(0);
    let forever = pin!(async {
        loop {
            operation().await;
            count.set(count.get() + 1);
        }
    });
    let (polled, wakes): (Poll<()>, _) = poll_as_task(forever);
    assert!(polled.is_pending());
    assert_eq!(wakes, 1, "the denied operation wakes the task");
    count.get()
}

fn spend_all() {
    while poll_spend(&mut Context::from_waker(Waker::noop())).is_ready() {}
}

#[test]
fn a_poll_has_128_units_and_then_denies_once() {
    assert_eq!(ready_in_a_poll(consume_budget), 128);
    assert_eq!(ready_in_a_poll(|| coop(ready(()))), 128);
    let mut numbers = coop(stream::repeat(1));
    let count = Cell::new(0);
    let drain = pin!(async {
        while numbers.next().await.is_some() {
            count.set(count.get() + 1);
        }
    });
    assert!(poll_as_task(drain).0.is_pending());
    assert_eq!(count.get(), 128);
}

#[test]
fn each_poll_begins_with_a_full_budget() {
    let count = Cell::new(0);
    let mut task = pin!(async {
        for _ in 0..1000 {
            consume_budget().await;
            count.set(count.get() + 1);
        }
    });
    for poll in 1..8 {
        assert!(poll_as_task(task.as_mut()).0.is_pending());
        assert_eq!(count.get(), poll * 128);
    }
    assert!(poll_as_task(task).0.is_ready());
}

#[test]
fn a_future_that_is_not_ready_takes_no_unit() {
    with_budget(|| {
        for _ in 0..1000 {
            assert!(coop(pending::<()>()).now_or_never().is_none());
        }
        assert_eq!(current::budget(), FULL);
        // Units of operations that were ready inside it stay spent.
        let half = async {
            for _ in 0..50 {
                consume_budget().await;
            }
            pending::<()>().await;
        };
        assert!(coop(half).now_or_never().is_none());
        assert_eq!(current::budget(), FULL - 50);
    });
}

#[test]
fn a_denied_future_is_not_polled() {
    with_budget(|| {
        spend_all();
        let polled = Cell::new(false);
        let future = poll_fn(|_| {
            polled.set(true);
            Poll::Ready(())
        });
        assert!(coop(future).now_or_never().is_none());
        assert!(!polled.get());
    });
}

#[test]
fn without_a_budget_nothing_is_denied() {
    std::thread::spawn(|| {
        for _ in 0..10_000 {
            assert!(coop(consume_budget()).now_or_never().is_some());
        }
        assert_eq!(current::budget(), NO_BUDGET);
    })
    .join()
    .unwrap();
}

#[test]
fn without_a_budget_one_socket_operation_in_129_is_denied() {
    std::thread::spawn(|| {
        let (wakes, waker) = CountingWaker::new();
        let mut cx = Context::from_waker(&waker);
        for round in 1..=3 {
            for _ in 0..128 {
                assert!(poll_spend_remote(&mut cx).is_ready());
            }
            assert!(poll_spend_remote(&mut cx).is_pending());
            assert_eq!(wakes.wakes(), round);
        }
        with_unconstrained(|| {
            for _ in 0..1000 {
                assert!(poll_spend_remote(&mut cx).is_ready());
            }
        });
        with_budget(|| {
            for _ in 0..128 {
                assert!(poll_spend_remote(&mut cx).is_ready());
            }
            assert!(poll_spend_remote(&mut cx).is_pending());
        });
    })
    .join()
    .unwrap();
}

#[test]
fn unconstrained_futures_and_streams_are_not_denied() {
    let thousand = unconstrained(async {
        for _ in 0..1000 {
            consume_budget().await;
        }
    });
    assert!(poll_as_task(pin!(thousand)).0.is_ready());
    let items = coop(stream::iter(0..1000));
    let count = unconstrained(items).count();
    // The stream is unconstrained within the poll, so its items take no units.
    assert_eq!(poll_as_task(pin!(count)).0, Poll::Ready(1000));
    with_budget(|| {
        spend_all();
        assert!(unconstrained(consume_budget()).now_or_never().is_some());
        assert!(!has_budget_remaining(), "the previous budget is restored");
    });
}

#[test]
fn budgets_nest_and_are_restored_on_unwind_too() {
    let before = current::budget();
    with_budget(|| {
        spend_all();
        with_budget(|| assert_eq!(current::budget(), FULL));
        assert!(!has_budget_remaining());
        let unwound = catch_unwind(AssertUnwindSafe(|| {
            with_unconstrained(|| with_budget(|| panic!("expected")))
        }));
        assert!(unwound.is_err());
        assert!(!has_budget_remaining());
    });
    assert_eq!(current::budget(), before);
}

#[test]
fn an_executor_that_is_nested_in_a_poll_goes_on() {
    let (polled, _) = poll_as_task(pin!(async {
        futures::executor::block_on(async {
            for _ in 0..10_000 {
                coop(consume_budget()).await;
            }
        });
    }));
    assert!(polled.is_ready());
}

#[test]
fn denials_are_at_least_32_before_the_budget_is_full_again() {
    let mut cx = Context::from_waker(Waker::noop());
    with_budget(|| {
        for _ in 0..128 {
            assert!(poll_spend(&mut cx).is_ready());
        }
        for _ in 0..32 {
            assert!(poll_spend(&mut cx).is_pending());
            // Returning the unit of another operation does not reset the count of denials.
            let denied = current::budget();
            if denied < 0 {
                give_back();
                assert_eq!(current::budget(), denied);
            }
        }
        assert_eq!(current::budget(), FULL);
    });
}

#[test]
fn a_poll_in_a_frame_sets_the_budget_and_restores_the_frame() {
    static ID: ContextVar<u64> = ContextVar::new("id");
    let frame = ID.run(7, Frame::current);
    with_budget(|| {
        spend_all();
        frame.run_poll(|| {
            assert_eq!(ID.get(), Some(7));
            assert_eq!(current::budget(), FULL);
        });
        assert_eq!(ID.get(), None);
    });
}

/// `None` from a stream is a result, too: polling a stream that has ended takes units.
#[test]
fn the_end_of_a_stream_takes_a_unit() {
    with_budget(|| {
        let mut ended = coop(stream::empty::<()>());
        for _ in 0..128 {
            assert_eq!(ended.next().now_or_never(), Some(None));
        }
        assert_eq!(ended.next().now_or_never(), None);
    });
}
