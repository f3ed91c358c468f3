//! Timers that are cancelled, timers that fire, and their lateness.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::BenchRuntime;

/// Arms `count` timers by polling each once, then drops them in order.
///
/// The deadlines are 30 to 31 seconds away, like the timeouts of requests, so no timer fires. All
/// timers are in one allocation, so that none is counted per timer.
pub async fn arm_and_cancel<R: BenchRuntime>(count: usize) {
    let sleeps: Box<[_]> = (0..count)
        .map(|number| R::sleep(Duration::from_millis(30_000 + number as u64 % 1000)))
        .collect();
    let mut sleeps = Box::into_pin(sleeps);
    poll_fn(|cx| {
        // SAFETY: the elements are pinned with the slice. Nothing here moves an element, and the
        // box drops them in place.
        let sleeps = unsafe { sleeps.as_mut().get_unchecked_mut() };
        for sleep in sleeps {
            // SAFETY: as above.
            let armed = unsafe { Pin::new_unchecked(sleep) }.poll(cx);
            assert!(armed.is_pending(), "thirty seconds have not passed");
        }
        Poll::Ready(())
    })
    .await;
    drop(sleeps);
}

/// Runs `count` tasks that sleep until deadlines spread over `window` after `first`. Returns the
/// lateness of each.
pub async fn fire<R: BenchRuntime>(
    handle: R::Handle,
    count: usize,
    first: Duration,
    window: Duration,
) -> Vec<Duration> {
    let mut joins = Vec::with_capacity(count);
    for number in 0..count {
        // A permutation, so that the timers are not armed in the order of their deadlines.
        let place = (number * 7919) % count;
        let duration = first + window.mul_f64(place as f64 / count as f64);
        joins.push(R::spawn(handle, late::<R>(duration)));
    }
    let mut lateness = Vec::with_capacity(count);
    for join in joins {
        lateness.push(join.await);
    }
    lateness
}

/// Sleeps for one duration after the other. Returns the lateness of each.
pub async fn one_by_one<R: BenchRuntime>(
    durations: impl Iterator<Item = Duration>,
) -> Vec<Duration> {
    let mut lateness = Vec::new();
    for duration in durations {
        lateness.push(late::<R>(duration).await);
    }
    lateness
}

/// Sleeps and returns the lateness. Panics if the sleep was too short.
async fn late<R: BenchRuntime>(duration: Duration) -> Duration {
    let start = Instant::now();
    R::sleep(duration).await;
    let slept = start.elapsed();
    slept
        .checked_sub(duration)
        .expect("a sleep must not end early")
}
