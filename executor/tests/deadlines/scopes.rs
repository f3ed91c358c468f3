//! The deadline that code sees, and the errors that name it.

use std::io;
use std::time::Duration;

use framewise::time::{Instant, sleep};
use framewise::{Frame, cancel, deadline};
use framewise_test_support::{ID, in_frames};

use crate::{HOUR, MS, paused};

/// Waits until the work of the current frame ends, under its own deadline.
async fn outlast() -> Instant {
    let reason = cancel::cancelled().await;
    assert!(reason.is_deadline());
    Instant::now()
}

#[test]
fn c84_the_deadline_is_the_earlier_of_a_scopes_own_and_that_around() {
    in_frames(|outer| {
        paused().block_on(ID.scope(7, async move {
            let start = Instant::now();
            let nested = deadline::within(20 * MS, async {
                assert_eq!(deadline::remaining(), Some(20 * MS));
                assert_eq!(ID.get(), Some(7));
                let later = deadline::within(HOUR, async {
                    assert_eq!(deadline::current(), Some(start + 20 * MS));
                });
                later.await;
                let earlier = deadline::at(start + 5 * MS, async {
                    assert_eq!(deadline::remaining(), Some(5 * MS));
                    outlast().await
                });
                assert_eq!(earlier.await, start + 5 * MS);
                assert_eq!(deadline::remaining(), Some(15 * MS));
                outlast().await
            });
            assert_eq!(nested.await, start + 20 * MS);
            assert_eq!(deadline::current(), None);
            deadline::run(HOUR, || {
                deadline::run_at(start, || {
                    assert_eq!(deadline::remaining(), Some(Duration::ZERO))
                });
                assert_eq!(deadline::remaining(), Some(HOUR));
            });
        }));
        assert_eq!(ID.get(), outer);
    });
}

#[test]
fn c84_an_error_names_the_deadline_that_passed() {
    paused().block_on(async {
        let expect = |label: Option<&str>, line: u32, error: io::Error| {
            assert!(deadline::is(&error) && !cancel::is(&error));
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            let reason = cancel::Ended::find(&error).unwrap();
            assert_eq!(reason.label(), label);
            assert_eq!(reason.location().line(), line);
            assert!(reason.location().file().ends_with("scopes.rs"));
        };
        let wait = async || io::Error::from(cancel::cancelled().await);
        let outer = line!() + 1;
        let ends = deadline::within(10 * MS, async {
            let inner = line!() + 1;
            let labeled = deadline::within(MS, wait()).label("quote");
            expect(Some("quote"), inner, labeled.await);
            // The one around is earlier.
            expect(
                None,
                outer,
                deadline::within(HOUR, wait()).label("late").await,
            );
        });
        ends.await;
    });
}

#[test]
fn a_deadline_that_has_passed_ends_the_work_at_once() {
    paused().block_on(async {
        for deadline in [Instant::now(), Instant::now() - MS] {
            let ended = deadline::at(deadline, async { deadline::check() }).await;
            assert!(ended.unwrap_err().is_deadline());
        }
        let ended = deadline::within(Duration::ZERO, async { cancel::is_cancelled() });
        assert!(ended.await);
        let endless = deadline::within(Duration::MAX, async {
            deadline::check().map(|()| deadline::remaining())
        });
        assert!(endless.await.unwrap() > Some(HOUR));
    });
}

#[test]
fn c86_tasks_calls_callbacks_and_snapshots_carry_the_deadline() {
    paused().block_on(async {
        let start = Instant::now();
        let limit = Some(start + 10 * MS);
        let (sender, callback) = std::sync::mpsc::channel();
        let started = deadline::within(10 * MS, async {
            framewise::time::set_timeout(MS, move || {
                sender
                    .send((deadline::current(), cancel::is_cancelled()))
                    .unwrap();
            });
            let grandchild = async { framewise::spawn(async { outlast().await }) };
            (
                framewise::spawn(grandchild),
                framewise::spawn_blocking(deadline::current),
                Frame::current(),
            )
        });
        // Its future is ready, and the deadline stays for what it has started.
        let (child, call, snapshot) = started.await;
        assert_eq!(call.await.unwrap(), limit);
        let grandchild = child.await.unwrap();
        assert_eq!(grandchild.await.unwrap(), start + 10 * MS);
        assert_eq!(callback.recv().unwrap(), (limit, false));
        let late = std::thread::spawn(move || snapshot.run(deadline::check));
        assert!(late.join().unwrap().unwrap_err().is_deadline());
    });
}

#[test]
pub(crate) fn c97_a_shield_is_for_its_future_alone() {
    in_frames(|_| {
        let work = async {
            let reason = cancel::cancelled().await;
            assert!(reason.is_deadline());
            let shielded = deadline::shield(async {
                assert_eq!((ID.get(), deadline::current()), (Some(7), None));
                assert!(!cancel::is_cancelled());
                let task = framewise::spawn(async { (ID.get(), deadline::current()) });
                assert_eq!(task.await.unwrap(), (Some(7), None));
                // With a deadline of its own.
                deadline::within(5 * MS, outlast()).await;
                sleep(MS).await;
            });
            shielded.await;
            assert!(cancel::is_cancelled());
        };
        paused().block_on(ID.scope(7, deadline::within(MS, work)));
    });
}

#[test]
fn c110_a_future_outlasts_its_deadline() {
    paused().block_on(async {
        let start = Instant::now();
        let output = deadline::within(MS, async {
            sleep(HOUR).await;
            "its own"
        });
        assert_eq!(output.await, "its own");
        assert_eq!(start.elapsed(), HOUR);
    });
}

#[test]
pub(crate) fn enforce_drops_a_future_that_knows_no_frames() {
    paused().block_on(async {
        let start = Instant::now();
        let limited = deadline::within(MS, async {
            let enforced = deadline::enforce(sleep(HOUR)).await;
            assert!(enforced.unwrap_err().is_deadline());
            // A flood does not carry it past the deadline.
            assert!(deadline::enforce(std::future::ready(1)).await.is_err());
        });
        limited.await;
        assert_eq!(start.elapsed(), MS);
        let unlimited = deadline::enforce(sleep(MS)).await;
        assert_eq!(unlimited, Ok(()));
        let in_time = deadline::within(HOUR, deadline::enforce(sleep(MS)));
        assert_eq!(in_time.await, Ok(()));
    });
}

#[test]
pub(crate) fn the_clock_is_read_where_code_asks() {
    let runtime = framewise::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(deadline::within(MS, async {
        // No timer fires while this task runs.
        while deadline::remaining() != Some(Duration::ZERO) {
            std::hint::spin_loop();
        }
        assert!(deadline::check().unwrap_err().is_deadline());
        assert!(cancel::is_cancelled());
    }));
}
