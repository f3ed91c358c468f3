//! Sleeps, timeouts, intervals and callbacks.

use std::io::Write;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use framewise::context::bind;
use framewise::net::Interest;
use framewise::task::yield_now;
use framewise::time::{
    Instant, interval_at, set_interval, set_timeout, sleep, sleep_until, timeout,
};
use futures::lock::Mutex;

use crate::row::{End, Leaves, SHORT, made, row, wait_until_released};
use crate::sockets::pair;
use framewise_test_support::{KEPT, bound_here, everywhere};

#[test]
fn c48_a_sleep_leaves_nothing() {
    row("sleep", Leaves::Nothing, |_, end| {
        let duration = match end {
            End::Finished => SHORT,
            End::Dropped => Duration::MAX,
        };
        made(async move { sleep(duration).await }, || (), ())
    });
    // A sleep that stays alive after it was awaited.
    row("&mut sleep", Leaves::Slot, |_, end| {
        let until = Instant::now() + SHORT;
        let until = match end {
            End::Finished => until,
            End::Dropped => until + Duration::from_secs(1_000),
        };
        let sleep = Arc::new(Mutex::new(sleep_until(until)));
        let wait = {
            let sleep = Arc::clone(&sleep);
            async move { (&mut *sleep.lock().await).await }
        };
        made(wait, || (), sleep)
    });
}

#[test]
fn c48_a_timeout_leaves_nothing() {
    row("timeout that elapses", Leaves::Nothing, |_, end| {
        let limit = match end {
            End::Finished => SHORT,
            End::Dropped => Duration::MAX,
        };
        let wait = async move {
            assert!(timeout(limit, std::future::pending::<()>()).await.is_err());
        };
        made(wait, || (), ())
    });
    row("timeout in time", Leaves::Nothing, |_, _| {
        made(
            async { timeout(Duration::MAX, yield_now()).await.unwrap() },
            || (),
            (),
        )
    });
}

#[test]
fn c48_a_tick_leaves_nothing_with_its_interval() {
    row("interval", Leaves::Nothing, |_, end| {
        let start = match end {
            End::Finished => Instant::now() + SHORT,
            End::Dropped => Instant::now() + Duration::from_secs(1_000),
        };
        let interval = interval_at(start, Duration::from_secs(1_000));
        let interval = Arc::new(Mutex::new(interval));
        let wait = {
            let interval = Arc::clone(&interval);
            async move {
                interval.lock().await.tick().await;
            }
        };
        made(wait, || (), interval)
    });
}

#[test]
fn c48_a_callback_that_is_over_leaves_nothing_with_its_handle() {
    everywhere(|runtime, _| {
        let _entered = runtime.enter();
        let (stream, mut peer) = pair(runtime);
        let kept = Arc::new(());
        let (frame, site) = bound_here(bind(&KEPT, Arc::clone(&kept)));
        let (called, calls) = mpsc::channel();
        let (on_time, on_tick, on_ready) = frame.run(|| {
            let (time, tick, ready) = (called.clone(), called.clone(), called);
            (
                set_timeout(SHORT, move || time.send(()).unwrap()),
                set_interval(SHORT, move || {
                    let _ = tick.send(());
                }),
                stream
                    .on_ready(Interest::READABLE, move |_| {
                        let _ = ready.send(());
                    })
                    .unwrap(),
            )
        });
        let far = frame.run(|| set_timeout(Duration::from_secs(1_000), || ()));
        drop(frame);
        peer.write_all(b"1").unwrap();
        for _ in 0..3 {
            calls.recv().unwrap();
        }
        assert!(far.cancel());
        on_tick.cancel();
        on_ready.cancel();
        // A callback that is running releases the frame when it returns.
        wait_until_released(&kept);
        site.wait_until_none_is_live();
        drop((on_time, on_tick, on_ready, far, stream));
    });
}
