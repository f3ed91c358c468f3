//! Timers that are cancelled, timers that fire, and how late they are.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::Face;

/// Arms `count` timers by polling each once, then drops them in order.
///
/// They are due between 30 and 31 seconds from now, as the time limits of requests are: none
/// fires. One allocation holds them all, so that none is counted for each.
pub async fn arm_and_cancel<R: Face>(count: usize) {
    let sleeps: Box<[_]> = (0..count)
        .map(|number| R::sleep(Duration::from_millis(30_000 + number as u64 % 1000)))
        .collect();
    let mut sleeps = Box::into_pin(sleeps);
    poll_fn(|cx| {
        // SAFETY: the elements are pinned with the slice: nothing here moves one, and they are
        // dropped where they are.
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

/// `count` tasks sleep, spread over `window` after `first`. Says how late each was.
pub async fn fire<R: Face>(
    handle: R::Handle,
    count: usize,
    first: Duration,
    window: Duration,
) -> Vec<Duration> {
    let mut joins = Vec::with_capacity(count);
    for number in 0..count {
        // A permutation, so that they are not armed in the order of their deadlines.
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

/// Sleeps for one duration after the other. Says how late each was.
pub async fn one_by_one<R: Face>(durations: impl Iterator<Item = Duration>) -> Vec<Duration> {
    let mut lateness = Vec::new();
    for duration in durations {
        lateness.push(late::<R>(duration).await);
    }
    lateness
}

/// Sleeps, and says for how much too long. A sleep that is too short is a bug, and panics.
async fn late<R: Face>(duration: Duration) -> Duration {
    let start = Instant::now();
    R::sleep(duration).await;
    let slept = start.elapsed();
    slept
        .checked_sub(duration)
        .expect("a sleep is never too short")
}
